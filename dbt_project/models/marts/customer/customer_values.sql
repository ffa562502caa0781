with

identities as (
    select distinct customer_id
    from {{ ref('identities') }}
),

orders as (
    select
        coalesce(customer_id, 'unidentified') as customer_id,
        line_count,
        quantity,
        revenue_amount,
        discount_amount,
        cost_amount,
        {{ is_purchase() }} as is_purchase
    from {{ ref('int_orders_valued') }}
),

summed as (
    select
        customer_id,
        count(*) as record_count,
        count(*) filter (where is_purchase) as order_count,
        count(*) filter (where cost_amount is null) as unknown_cost_count,
        sum(line_count) as line_count,
        sum(quantity) as quantity,
        sum(revenue_amount) as revenue_amount,
        sum(discount_amount) as discount_amount,
        sum(cost_amount) as cost_amount
    from orders
    group by customer_id
),

total as (
    select sum(revenue_amount) as revenue_amount
    from summed
),

named as (
    select customer_id
    from identities
    union all
    select customer_id
    from summed
    where customer_id = 'unidentified'
),

valued as (
    select
        named.customer_id,
        cast(coalesce(summed.order_count, 0) as bigint) as order_count,
        cast(coalesce(summed.line_count, 0) as bigint) as line_count,
        cast(coalesce(summed.quantity, 0) as decimal(18, 3)) as quantity,
        cast(coalesce(summed.revenue_amount, 0) as decimal(18, 2)) as revenue_amount,
        cast(coalesce(summed.discount_amount, 0) as decimal(18, 2)) as discount_amount,
        cast(
            case
                when coalesce(summed.unknown_cost_count, 0) = 0
                    then coalesce(summed.cost_amount, 0)
            end as decimal(18, 2)
        ) as cost_amount,
        case
            when summed.unknown_cost_count > 0
                then
                    'cost unknown in ' || cast(summed.unknown_cost_count as string)
                    || ' of ' || cast(summed.record_count as string) || ' orders'
        end as margin_missing_reason,
        cast(
            round(
                cast(summed.revenue_amount as double) / nullif(summed.order_count, 0), 2
            ) as decimal(18, 2)
        ) as average_order_amount,
        case
            when total.revenue_amount > 0
                then
                    100 * cast(coalesce(summed.revenue_amount, 0) as double)
                    / cast(total.revenue_amount as double)
        end as revenue_share_pct
    from named
    left join summed on named.customer_id = summed.customer_id
    cross join total
),

final as (
    select
        customer_id,
        {{ first_day() }} as window_start,
        {{ as_of() }} as window_end,
        order_count,
        line_count,
        quantity,
        revenue_amount,
        discount_amount,
        cost_amount,
        cast(revenue_amount - cost_amount as decimal(18, 2)) as margin_amount,
        margin_missing_reason,
        average_order_amount,
        revenue_share_pct,
        {{ as_of() }} as as_of_date
    from valued
)

select * from final
