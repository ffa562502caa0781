with

orders as (
    select * from {{ ref('feed_orders') }}
),

order_lines as (
    select * from {{ ref('feed_order_lines') }}
),

products as (
    select * from {{ ref('feed_products') }}
    where unit_cost_amount is not null
),

identities as (
    select * from {{ ref('identities') }}
),

lines_costed as (
    select
        order_lines.source,
        order_lines.order_id,
        order_lines.quantity,
        order_lines.discount_amount,
        order_lines.line_amount,
        order_lines.quantity
        * coalesce(order_lines.unit_cost_amount, products.unit_cost_amount)
            as cost_amount
    from order_lines
    left join products
        on
            order_lines.source = products.source
            and order_lines.product_id = products.product_id
),

lines_summed as (
    select
        source,
        order_id,
        count(*) as line_count,
        sum(quantity) as quantity,
        coalesce(sum(discount_amount), 0) as discount_amount,
        sum(line_amount) as line_amount,
        case when count(cost_amount) = count(*) then sum(cost_amount) end
            as cost_amount
    from lines_costed
    group by source, order_id
),

orders_valued as (
    select
        orders.source,
        orders.order_id,
        identities.customer_id,
        orders.ordered_at,
        {{ business_date('orders.ordered_at') }} as order_date,
        orders.channel,
        orders.store_id,
        orders.status,
        coalesce(lines_summed.line_count, 0) as line_count,
        cast(lines_summed.quantity as decimal(18, 3)) as quantity,
        cast(
            case
                when lines_summed.line_count is null
                    then coalesce(orders.order_amount, 0)
                else lines_summed.line_amount - coalesce(orders.discount_amount, 0)
            end as decimal(18, 2)
        ) as revenue_amount,
        cast(
            coalesce(lines_summed.discount_amount, 0)
            + coalesce(orders.discount_amount, 0)
            as decimal(18, 2)
        ) as discount_amount,
        cast(lines_summed.cost_amount as decimal(18, 2)) as cost_amount
    from orders
    left join lines_summed
        on
            orders.source = lines_summed.source
            and orders.order_id = lines_summed.order_id
    left join identities
        on
            orders.identifier_type = identities.identifier_type
            and orders.identifier_value = identities.identifier_value
),

final as (
    select
        source,
        order_id,
        customer_id,
        ordered_at,
        order_date,
        {{ month_of('order_date') }} as order_month,
        channel,
        store_id,
        status,
        line_count,
        quantity,
        revenue_amount,
        discount_amount,
        cost_amount,
        cast(revenue_amount - cost_amount as decimal(18, 2)) as margin_amount
    from orders_valued
)

select * from final
