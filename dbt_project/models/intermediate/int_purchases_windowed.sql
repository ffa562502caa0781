with

run as (
    select
        as_of_date,
        {{ rfm_window_start('as_of_date') }} as window_start
    from {{ source('kith', 'run') }}
),

orders as (
    select
        customer_id,
        order_date,
        revenue_amount,
        {{ is_purchase() }} as is_purchase
    from {{ ref('int_orders_valued') }}
    where customer_id is not null
),

windowed as (
    select
        orders.customer_id,
        max(case when orders.is_purchase then orders.order_date end) as last_order_date,
        count(*) filter (where orders.is_purchase) as frequency_count,
        sum(orders.revenue_amount) as monetary_amount
    from orders
    cross join run
    where orders.order_date >= run.window_start
    group by orders.customer_id
),

final as (
    select
        windowed.customer_id,
        cast({{ days_between('windowed.last_order_date', 'run.as_of_date') }} as bigint)
            as recency_days,
        windowed.frequency_count,
        cast(windowed.monetary_amount as decimal(18, 2)) as monetary_amount,
        run.window_start,
        run.as_of_date as window_end
    from windowed
    cross join run
    where windowed.frequency_count > 0
)

select * from final
