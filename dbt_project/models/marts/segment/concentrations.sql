with

customer_values as (
    select * from {{ ref('customer_values') }}
    where order_count > 0 and customer_id != 'unidentified'
),

orders as (
    select * from {{ ref('orders') }}
    where is_purchase or has_return
),

unidentified_share as (
    select
        case
            when sum(revenue_amount) > 0
                then {{ percent_of(
                    "sum(case when customer_id = 'unidentified' then revenue_amount"
                    ~ " else 0 end)",
                    "sum(revenue_amount)",
                ) }}
        end as unidentified_revenue_share_pct
    from {{ ref('customer_values') }}
),

-- An order whose cost is unknown leaves its customer's other orders in.
margins as (
    select
        orders.customer_id,
        sum(orders.margin_amount) as margin_amount,
        sum(
            case when orders.margin_amount is null then orders.revenue_amount else 0 end
        ) as unknown_amount,
        count(*) - count(orders.margin_amount) as unknown_count
    from orders
    inner join customer_values on orders.customer_id = customer_values.customer_id
    group by orders.customer_id
),

amounts as (
    select
        'revenue' as measure,
        revenue_amount as amount,
        cast(0 as decimal(18, 2)) as unknown_amount,
        0 as unknown_count
    from customer_values
    union all
    select
        'margin' as measure,
        margin_amount as amount,
        unknown_amount,
        unknown_count
    from margins
),

bought as (
    select
        count(*) as customer_count,
        sum(revenue_amount) as revenue_amount
    from customer_values
),

measures as (
    select 'revenue' as measure
    union all
    select 'margin' as measure
),

-- Equal amounts are counted together: no order among them has to be invented.
amounts_counted as (
    select
        measure,
        amount,
        count(*) as customer_count
    from amounts
    where amount is not null
    group by measure, amount
),

ranked as (
    select
        measure,
        amount,
        customer_count,
        cast(
            sum(customer_count) over (
                partition by measure
                order by amount desc
                rows between unbounded preceding and current row
            ) as bigint
        ) as last_rank,
        sum(customer_count * amount) over (
            partition by measure
            order by amount desc
            rows between unbounded preceding and current row
        ) as amount_to_here
    from amounts_counted
),

totals as (
    select
        measure,
        count(amount) as n,
        count(*) filter (where amount < 0) as negative_count,
        sum(amount) as amount,
        count(*) filter (where unknown_count > 0) as unknown_customer_count,
        sum(unknown_amount) as unknown_amount
    from amounts
    group by measure
),

-- Gini = 2 * sum(i * x) / (n * sum(x)) - (n + 1) / n, i the rank from below. The ranks
-- of equals from below sum to half of count * (2n + 1 + count - 2 * last rank from
-- above). In one fraction, of which the upper part is exact: 0 where all are equal.
ginis as (
    select
        totals.measure,
        cast(
            sum(
                ranked.amount
                * (
                    ranked.customer_count
                    * (2 * totals.n + 1 - 2 * ranked.last_rank + ranked.customer_count)
                )
            ) - (totals.n + 1) * totals.amount as double
        )
        / nullif(totals.n * cast(totals.amount as double), 0) as gini
    from totals
    inner join ranked on totals.measure = ranked.measure
    where totals.measure = 'revenue' and totals.negative_count = 0
    group by totals.measure, totals.n, totals.amount
),

-- Only those amounts matter in which some percent of the customers ends.
edges as (
    select
        ranked.measure,
        ranked.amount,
        ranked.last_rank,
        ranked.amount_to_here,
        floor(100 * cast(ranked.last_rank - ranked.customer_count as double) / totals.n)
            as pct_before,
        floor(100 * cast(ranked.last_rank as double) / totals.n) as pct_to_here
    from ranked
    inner join totals on ranked.measure = totals.measure
),

percents as (
    {{ numbers(100) }}
),

tops as (
    select
        measures.measure,
        percents.number as top_pct,
        coalesce(totals.n, 0) as n,
        cast(
            ceil(percents.number * coalesce(totals.n, 0) / cast(100 as double))
            as bigint
        ) as customer_count,
        totals.negative_count,
        totals.amount as total_amount,
        coalesce(totals.unknown_customer_count, 0) as unknown_customer_count,
        totals.unknown_amount
    from measures
    cross join percents
    left join totals on measures.measure = totals.measure
),

summed as (
    select
        tops.measure,
        tops.top_pct,
        tops.customer_count,
        edges.amount_to_here
        - edges.amount * (edges.last_rank - tops.customer_count) as amount,
        tops.total_amount,
        edges.last_rank - tops.customer_count as ties_at_edge_count,
        tops.negative_count,
        tops.unknown_customer_count,
        tops.unknown_amount,
        tops.n
    from tops
    left join edges
        on
            tops.measure = edges.measure
            and tops.top_pct > edges.pct_before
            and tops.top_pct <= edges.pct_to_here
),

final as (
    select
        summed.measure,
        summed.top_pct,
        summed.customer_count,
        cast(summed.amount as decimal(18, 2)) as amount,
        case
            when summed.total_amount > 0
                then {{ percent_of('summed.amount', 'summed.total_amount') }}
        end as share_pct,
        summed.ties_at_edge_count,
        case when summed.total_amount > 0 then ginis.gini end as gini,
        case
            when bought.customer_count = 0 then 'no customer has a purchase'
            when summed.n = 0
                then
                    summed.measure || ' unknown for '
                    || cast(bought.customer_count as string)
                    || ' of ' || cast(bought.customer_count as string) || ' customers'
            when summed.total_amount <= 0
                then 'no share and no Gini: the total is not positive'
            when summed.measure = 'margin'
                then 'no Gini: margins may be negative'
            when summed.negative_count > 0
                then
                    'no Gini: negative for '
                    || cast(summed.negative_count as string)
                    || ' of ' || cast(summed.n as string) || ' customers'
        end as missing_reason,
        summed.unknown_customer_count,
        case
            when bought.revenue_amount > 0
                then {{ percent_of('summed.unknown_amount', 'bought.revenue_amount') }}
        end as unknown_revenue_share_pct,
        unidentified_share.unidentified_revenue_share_pct,
        summed.n,
        'top customers by descending amount, all history to as_of_date' as method,
        {{ as_of() }} as as_of_date
    from summed
    cross join unidentified_share
    cross join bought
    left join ginis on summed.measure = ginis.measure
)

select * from final
