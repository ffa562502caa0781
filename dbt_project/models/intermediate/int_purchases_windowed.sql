with

orders as (
    select * from {{ ref('orders') }}
    where
        customer_id != 'unidentified'
        and (is_purchase or has_return)
        and order_date >= {{ rfm_window_start(as_of()) }}
),

window_days as (
    select min(order_date) as window_start
    from orders
),

days as (
    select
        customer_id,
        order_date,
        max(case when is_purchase then order_date end) as purchase_date,
        sum(revenue_amount) as revenue_amount
    from orders
    group by customer_id, order_date
),

windowed as (
    select
        customer_id,
        max(purchase_date) as last_order_date,
        count(purchase_date) as frequency_count,
        sum(revenue_amount) as monetary_amount
    from days
    group by customer_id
),

final as (
    select
        windowed.customer_id,
        cast({{ days_between('windowed.last_order_date', as_of()) }} as bigint)
            as recency_days,
        windowed.frequency_count,
        cast(windowed.monetary_amount as decimal(18, 2)) as monetary_amount,
        window_days.window_start,
        {{ as_of() }} as window_end
    from windowed
    cross join window_days
    where windowed.frequency_count > 0
)

select * from final
