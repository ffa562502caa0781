with

identities as (
    select distinct customer_id
    from {{ ref('identities') }}
    where customer_id is not null
),

orders as (
    select
        coalesce(customer_id, 'unidentified') as customer_id,
        order_date,
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
        count(*) filter (where quantity is null) as unknown_quantity_count,
        count(*) filter (where cost_amount is null) as unknown_cost_count,
        min(order_date) as first_order_date,
        sum(line_count) as line_count,
        sum(quantity) as quantity,
        sum(revenue_amount) as revenue_amount,
        sum(discount_amount) as discount_amount,
        sum(cost_amount) as cost_amount
    from orders
    group by customer_id
),

total as (
    select
        sum(revenue_amount) as revenue_amount,
        min(first_order_date) as first_order_date
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
        total.first_order_date,
        cast(coalesce(summed.order_count, 0) as bigint) as order_count,
        cast(coalesce(summed.line_count, 0) as bigint) as line_count,
        cast(
            case
                when coalesce(summed.unknown_quantity_count, 0) = 0
                    then coalesce(summed.quantity, 0)
            end as decimal(18, 3)
        ) as quantity,
        case
            when summed.unknown_quantity_count > 0
                then
                    'no lines in ' || cast(summed.unknown_quantity_count as string)
                    || ' of ' || cast(summed.record_count as string) || ' orders'
        end as quantity_missing_reason,
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
        {{ mean_amount('summed.revenue_amount', 'summed.order_count') }}
            as average_order_amount,
        case
            when total.revenue_amount > 0
                then
                    {{ percent_of(
                        'coalesce(summed.revenue_amount, 0)', 'total.revenue_amount'
                    ) }}
        end as revenue_share_pct
    from named
    left join summed on named.customer_id = summed.customer_id
    cross join total
),

final as (
    select
        customer_id,
        coalesce(first_order_date, {{ first_day() }}) as window_start,
        {{ as_of() }} as window_end,
        order_count,
        line_count,
        quantity,
        quantity_missing_reason,
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
