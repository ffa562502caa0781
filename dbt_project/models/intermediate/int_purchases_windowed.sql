with

orders as (
    select
        *,
        {{ is_purchase() }} as is_purchase
    from {{ ref('int_orders_valued') }}
    where customer_id is not null
),

windowed as (
    select
        customer_id,
        max(case when is_purchase then order_date end) as last_order_date,
        count(*) filter (where is_purchase) as frequency_count,
        sum(revenue_amount) as monetary_amount
    from orders
    where order_date >= {{ rfm_window_start(as_of()) }}
    group by customer_id
),

final as (
    select
        customer_id,
        cast({{ days_between('last_order_date', as_of()) }} as bigint) as recency_days,
        frequency_count,
        cast(monetary_amount as decimal(18, 2)) as monetary_amount,
        {{ rfm_window_start(as_of()) }} as window_start,
        {{ as_of() }} as window_end
    from windowed
    where frequency_count > 0
)

select * from final
