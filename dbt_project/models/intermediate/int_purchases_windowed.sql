with

customers as (
    select customer_id
    from {{ ref('customers') }}
    where
        customer_id != 'unidentified'
        and {{ may_be_scored('may_be_profiled') }}
),

orders as (
    select * from {{ ref('orders') }}
    where
        customer_id in (select customers.customer_id from customers)
        and (is_purchase or has_return)
        and order_date >= {{ rfm_window_start(as_of()) }}
),

purchases as (
    select * from orders
    where is_purchase
),

purchase_days as (
    select distinct
        customer_id,
        order_date
    from purchases
),

occasions as (
    select
        customer_id,
        max(order_date) as last_order_date,
        count(*) as frequency_count
    from purchase_days
    group by customer_id
),

amounts as (
    select
        customer_id,
        min(order_date) as first_order_date,
        sum(revenue_amount) as monetary_amount
    from orders
    group by customer_id
),

window_days as (
    select min(first_order_date) as window_start
    from amounts
),

final as (
    select
        occasions.customer_id,
        cast({{ days_between('occasions.last_order_date', as_of()) }} as bigint)
            as recency_days,
        occasions.frequency_count,
        cast(amounts.monetary_amount as decimal(18, 2)) as monetary_amount,
        window_days.window_start,
        {{ as_of() }} as window_end
    from occasions
    inner join amounts on occasions.customer_id = amounts.customer_id
    cross join window_days
)

select * from final
