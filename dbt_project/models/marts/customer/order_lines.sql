with

order_lines as (
    select * from {{ ref('feed_order_lines') }}
),

orders as (
    select * from {{ ref('orders') }}
),

discounted_orders as (
    select * from {{ ref('orders') }}
    where order_discount_amount != 0
),

discounted_lines as (
    select * from {{ ref('feed_order_lines') }}
),

orders_without_lines as (
    select * from {{ ref('orders') }}
    where line_count = 0 and (is_purchase or has_return)
),

product_costs as (
    {{ product_costs() }}
),

weighed as (
    select
        discounted_lines.source,
        discounted_lines.order_id,
        discounted_lines.order_line_id,
        discounted_lines.line_number,
        discounted_orders.order_discount_amount,
        case
            when discounted_lines.quantity < 0 then 0
            else discounted_lines.line_amount
        end as weight
    from discounted_lines
    inner join discounted_orders
        on
            discounted_lines.source = discounted_orders.source
            and discounted_lines.order_id = discounted_orders.order_id
),

summed as (
    select
        source,
        order_id,
        order_line_id,
        line_number,
        order_discount_amount,
        sum(weight) over (partition by source, order_id) as order_weight,
        sum(weight) over (
            partition by source, order_id
            order by line_number nulls last, order_line_id nulls last
            rows between unbounded preceding and current row
        ) as weight_to_here
    from weighed
),

shared_to_here as (
    select
        source,
        order_id,
        order_line_id,
        line_number,
        cast(
            case
                when order_weight > 0
                    then
                        {{ mean_amount(
                            'order_discount_amount * weight_to_here', 'order_weight'
                        ) }}
                else order_discount_amount
            end as decimal(18, 2)
        ) as discount_to_here
    from summed
),

-- The part of the discount on the whole order that each line bears, by its amount.
-- Differences of rounded sums: the parts add up to the cent.
shared as (
    select
        source,
        order_line_id,
        discount_to_here - coalesce(
            lag(discount_to_here) over (
                partition by source, order_id
                order by line_number nulls last, order_line_id nulls last
            ),
            0
        ) as shared_discount_amount
    from shared_to_here
),

lines as (
    select
        order_lines.source,
        order_lines.order_line_id,
        order_lines.order_id,
        order_lines.line_number,
        order_lines.product_id,
        product_costs.product_key,
        order_lines.quantity,
        order_lines.unit_price_amount,
        coalesce(order_lines.unit_cost_amount, product_costs.unit_cost_amount)
            as unit_cost_amount,
        case
            when order_lines.unit_cost_amount is not null then 'line'
            when product_costs.unit_cost_amount is not null then 'product'
        end as cost_basis,
        order_lines.quantity < 0 as is_return_line,
        coalesce(order_lines.discount_amount, 0)
        + coalesce(shared.shared_discount_amount, 0) as discount_amount,
        order_lines.line_amount - coalesce(shared.shared_discount_amount, 0)
            as net_amount
    from order_lines
    left join shared
        on
            order_lines.source = shared.source
            and order_lines.order_line_id = shared.order_line_id
    left join product_costs
        on
            order_lines.source = product_costs.source
            and order_lines.product_id = product_costs.product_id
),

-- An order of which only the amount is known stands as one line without a product.
whole_orders as (
    select
        source,
        'order:' || order_id as order_line_id,
        order_id,
        cast(null as bigint) as line_number,
        cast(null as string) as product_id,
        cast(null as string) as product_key,
        quantity,
        cast(null as decimal(18, 6)) as unit_price_amount,
        cast(null as decimal(18, 6)) as unit_cost_amount,
        cast(null as string) as cost_basis,
        false as is_return_line,
        discount_amount,
        case when is_returned_whole then gross_amount else revenue_amount end
            as net_amount
    from orders_without_lines
),

all_lines as (
    select * from lines
    union all
    select * from whole_orders
),

valued as (
    select
        all_lines.source,
        all_lines.order_line_id,
        all_lines.order_id,
        all_lines.line_number,
        orders.customer_id,
        orders.order_date,
        orders.status_class,
        orders.is_purchase,
        all_lines.product_key,
        all_lines.product_id,
        all_lines.unit_price_amount,
        all_lines.unit_cost_amount,
        all_lines.cost_basis,
        all_lines.discount_amount,
        all_lines.net_amount,
        all_lines.quantity,
        orders.status_class = 'cancelled' as is_cancelled,
        orders.is_returned_whole,
        orders.revenue_amount < 0
        or (all_lines.is_return_line and not orders.is_returned_whole) as is_given_back
    from all_lines
    inner join orders
        on
            all_lines.source = orders.source
            and all_lines.order_id = orders.order_id
),

moved as (
    select
        *,
        case when is_cancelled or is_returned_whole then 0 else quantity end
            as moved_quantity,
        case when is_cancelled or is_given_back then 0 else net_amount end
            as gross_amount,
        case
            when is_cancelled then 0
            when is_given_back then -net_amount
            when is_returned_whole then net_amount
            else 0
        end as returned_amount,
        case
            when is_cancelled or is_returned_whole then 0
            else quantity * unit_cost_amount
        end as cost_amount
    from valued
),

final as (
    select
        source,
        order_line_id,
        order_id,
        line_number,
        customer_id,
        order_date,
        status_class,
        is_purchase,
        product_key,
        product_id,
        cast(moved_quantity as decimal(18, 3)) as quantity,
        unit_price_amount,
        unit_cost_amount,
        cost_basis,
        cast(gross_amount as decimal(18, 2)) as gross_amount,
        cast(
            case when is_cancelled then 0 else discount_amount end as decimal(18, 2)
        ) as discount_amount,
        cast(returned_amount as decimal(18, 2)) as returned_amount,
        cast(gross_amount - returned_amount as decimal(18, 2)) as revenue_amount,
        cast(cost_amount as decimal(18, 6)) as cost_amount,
        cast(gross_amount - returned_amount - cost_amount as decimal(18, 6))
            as margin_amount,
        {{ as_of() }} as as_of_date
    from moved
)

select * from final
