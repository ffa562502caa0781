with

orders as (
    select * from {{ ref('feed_orders') }}
    where {{ order_status_class('status') }} in ('cancelled', 'returned')
),

order_lines as (
    select * from {{ ref('feed_order_lines') }}
),

lines_summed as (
    select
        order_lines.source,
        order_lines.order_id,
        count(*) as line_count,
        count(*) filter (where order_lines.quantity < 0) as returned_line_count,
        sum(order_lines.quantity) as quantity,
        sum(order_lines.discount_amount) as discount_amount,
        sum(order_lines.line_amount) as line_amount,
        coalesce(
            -sum(
                case
                    when order_lines.quantity < 0 then order_lines.line_amount
                end
            ),
            0
        ) as returned_amount
    from order_lines
    inner join orders
        on
            order_lines.source = orders.source
            and order_lines.order_id = orders.order_id
    group by order_lines.source, order_lines.order_id
),

told as (
    select
        orders.source,
        orders.order_id,
        coalesce(lines_summed.line_count, 0) as line_count,
        coalesce(lines_summed.returned_line_count, 0) as returned_line_count,
        lines_summed.quantity,
        coalesce(lines_summed.discount_amount, 0)
        + coalesce(orders.discount_amount, 0) as discount_amount,
        coalesce(lines_summed.returned_amount, 0) as returned_amount,
        case
            when lines_summed.line_count is null then orders.order_amount
            else lines_summed.line_amount - coalesce(orders.discount_amount, 0)
        end as net_amount
    from orders
    left join lines_summed
        on
            orders.source = lines_summed.source
            and orders.order_id = lines_summed.order_id
),

final as (
    select
        source,
        order_id,
        coalesce(
            net_amount >= 0 and (line_count = 0 or line_count > returned_line_count),
            false
        ) as is_purchase,
        returned_line_count > 0 or coalesce(net_amount < 0, false) as has_return,
        cast(quantity as decimal(18, 3)) as quantity,
        cast(
            case
                when net_amount < 0 then 0
                else coalesce(net_amount, 0) + returned_amount
            end as decimal(18, 2)
        ) as gross_amount,
        cast(discount_amount as decimal(18, 2)) as discount_amount,
        cast(
            case when net_amount < 0 then -net_amount else returned_amount end
            as decimal(18, 2)
        ) as returned_amount
    from told
)

select * from final
