with

customers as (
    select
        customer_id,
        {{ may_be_scored('may_be_profiled') }} as may_be_scored
    from {{ ref('customers') }}
    where customer_id != 'unidentified'
),

orders as (
    select * from {{ ref('orders') }}
    where is_purchase and customer_id != 'unidentified'
),

purchase_days as (
    select distinct
        customer_id,
        order_date
    from orders
),

gaps as (
    select
        customer_id,
        order_date,
        {{ days_between(
            'lag(order_date) over '
            ~ '(partition by customer_id order by order_date nulls last)',
            'order_date',
        ) }} as gap_days
    from purchase_days
),

-- The window leaves the gaps sorted. So a median per customer costs less here than
-- ranking or counting the gaps (measured with 20 million orders).
summed as (
    select
        customer_id,
        min(order_date) as first_order_date,
        max(order_date) as last_order_date,
        {{ median('gap_days') }} as median_gap_days,
        count(gap_days) as gap_count
    from gaps
    group by customer_id
),

aged as (
    select
        customers.customer_id,
        customers.may_be_scored,
        summed.first_order_date,
        summed.last_order_date,
        cast({{ days_between('summed.last_order_date', as_of()) }} as bigint)
            as days_since_last_order,
        case when customers.may_be_scored then summed.median_gap_days end
            as median_gap_days,
        coalesce(summed.gap_count, 0) as gap_count
    from customers
    left join summed on customers.customer_id = summed.customer_id
),

final as (
    select
        customer_id,
        case
            when not may_be_scored then 'not_permitted'
            when days_since_last_order is null then 'never_purchased'
            when days_since_last_order >= {{ var('asleep_days') }} then 'asleep'
            when days_since_last_order >= {{ var('half_asleep_days') }}
                then 'half_asleep'
            when days_since_last_order >= {{ var('drowsy_days') }} then 'drowsy'
            else 'active'
        end as state,
        first_order_date,
        last_order_date,
        days_since_last_order,
        median_gap_days,
        gap_count,
        days_since_last_order / median_gap_days as gap_ratio,
        {{ as_of() }} as as_of_date
    from aged
)

select * from final
