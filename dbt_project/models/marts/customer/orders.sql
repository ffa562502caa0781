with

orders as (
    select * from {{ ref('feed_orders') }}
),

order_lines as (
    select * from {{ ref('feed_order_lines') }}
),

product_costs as (
    {{ product_costs() }}
),

places as (
    select * from {{ ref('int_references_resolved') }}
    where kind = 'place'
),

identities as (
    select * from {{ ref('identities') }}
),

earlier as (
    select distinct customer_id
    from {{ ref('int_customer_records') }}
    where {{ business_date('registered_at') }} < {{ first_day() }}
),

lines_costed as (
    select
        order_lines.source,
        order_lines.order_id,
        order_lines.quantity,
        order_lines.discount_amount,
        order_lines.line_amount,
        order_lines.quantity
        * coalesce(order_lines.unit_cost_amount, product_costs.unit_cost_amount)
            as cost_amount
    from order_lines
    left join product_costs
        on
            order_lines.source = product_costs.source
            and order_lines.product_id = product_costs.product_id
),

lines_summed as (
    select
        source,
        order_id,
        count(*) as line_count,
        count(*) filter (where quantity < 0) as returned_line_count,
        sum(quantity) as quantity,
        sum(discount_amount) as discount_amount,
        sum(line_amount) as line_amount,
        coalesce(-sum(case when quantity < 0 then line_amount end), 0)
            as returned_amount,
        case when count(cost_amount) = count(*) then sum(cost_amount) end
            as cost_amount
    from lines_costed
    group by source, order_id
),

-- What the source tells of each order, whatever became of it.
told as (
    select
        orders.source,
        orders.order_id,
        coalesce(identities.customer_id, 'unidentified') as customer_id,
        case when identities.customer_id is not null then orders.identifier_type end
            as identified_by,
        orders.ordered_at,
        {{ business_date('orders.ordered_at') }} as order_date,
        orders.channel,
        places.reference_key as place_key,
        orders.store_id,
        orders.city,
        orders.payment_method,
        orders.promised_at,
        orders.delivered_at,
        orders.status,
        {{ order_status_class('orders.status') }} as status_class,
        orders.shipping_amount,
        coalesce(lines_summed.line_count, 0) as line_count,
        coalesce(lines_summed.returned_line_count, 0) as returned_line_count,
        lines_summed.quantity,
        coalesce(lines_summed.discount_amount, 0) as line_discount_amount,
        coalesce(orders.discount_amount, 0) as order_discount_amount,
        coalesce(lines_summed.returned_amount, 0) as returned_amount,
        lines_summed.cost_amount,
        case
            when lines_summed.line_count is null then orders.order_amount
            else lines_summed.line_amount - coalesce(orders.discount_amount, 0)
        end as net_amount
    from orders
    left join lines_summed
        on
            orders.source = lines_summed.source
            and orders.order_id = lines_summed.order_id
    left join identities
        on
            orders.identifier_type = identities.identifier_type
            and orders.identifier_value = identities.identifier_value
    left join places
        on
            orders.source = places.source
            and orders.store_id = places.reference_id
),

-- An order with nothing but returned lines, or below 0, is a return.
judged as (
    select
        *,
        coalesce(status_class = 'cancelled', false) as is_cancelled,
        coalesce(
            status_class = 'returned' and returned_line_count = 0 and net_amount >= 0,
            false
        ) as is_returned_whole,
        coalesce(
            net_amount >= 0 and (line_count = 0 or line_count > returned_line_count),
            false
        ) as is_bought
    from told
),

valued as (
    select
        *,
        is_bought and not is_cancelled as is_purchase,
        not is_cancelled
        and (
            is_returned_whole
            or returned_line_count > 0
            or coalesce(net_amount < 0, false)
        ) as has_return,
        case
            when is_cancelled then 0
            when net_amount < 0 then 0
            else coalesce(net_amount, 0) + returned_amount
        end as gross_amount,
        case
            when is_cancelled then 0
            when net_amount < 0 then -net_amount
            when is_returned_whole then net_amount
            else returned_amount
        end as given_back_amount
    from judged
),

first_purchases as (
    select
        customer_id,
        min(order_date) as first_order_date
    from valued
    where is_purchase and customer_id != 'unidentified'
    group by customer_id
),

classed as (
    select
        valued.source,
        valued.order_id,
        valued.customer_id,
        valued.identified_by,
        valued.ordered_at,
        valued.order_date,
        {{ month_of('valued.order_date') }} as order_month,
        valued.channel,
        valued.place_key,
        valued.store_id,
        valued.city,
        valued.payment_method,
        valued.promised_at,
        valued.delivered_at,
        valued.status,
        coalesce(valued.status_class, 'placed') as status_class,
        valued.status_class is not null as is_status_known,
        valued.is_purchase,
        case
            when not valued.is_purchase or first_purchases.customer_id is null then null
            when earlier.customer_id is not null then 'repeat'
            when valued.order_date = first_purchases.first_order_date then 'new'
            else 'repeat'
        end as purchase_kind,
        valued.has_return,
        valued.is_returned_whole,
        valued.line_count,
        cast(
            case
                when valued.is_cancelled or valued.is_returned_whole then 0
                else valued.quantity
            end as decimal(18, 3)
        ) as quantity,
        cast(valued.gross_amount as decimal(18, 2)) as gross_amount,
        cast(
            case
                when valued.is_cancelled then 0
                else valued.line_discount_amount + valued.order_discount_amount
            end as decimal(18, 2)
        ) as discount_amount,
        cast(
            case when valued.is_cancelled then 0 else valued.order_discount_amount end
            as decimal(18, 2)
        ) as order_discount_amount,
        cast(valued.given_back_amount as decimal(18, 2)) as returned_amount,
        cast(
            valued.gross_amount - valued.given_back_amount as decimal(18, 2)
        ) as revenue_amount,
        cast(
            case when valued.is_cancelled then coalesce(valued.net_amount, 0) else 0 end
            as decimal(18, 2)
        ) as cancelled_amount,
        cast(
            case
                when valued.is_cancelled or valued.is_returned_whole then 0
                else valued.cost_amount
            end as decimal(18, 2)
        ) as cost_amount,
        valued.shipping_amount
    from valued
    left join first_purchases on valued.customer_id = first_purchases.customer_id
    left join earlier on valued.customer_id = earlier.customer_id
),

final as (
    select
        source,
        order_id,
        customer_id,
        identified_by,
        ordered_at,
        order_date,
        order_month,
        channel,
        place_key,
        store_id,
        city,
        payment_method,
        promised_at,
        delivered_at,
        status,
        status_class,
        is_status_known,
        is_purchase,
        purchase_kind,
        has_return,
        is_returned_whole,
        line_count,
        quantity,
        gross_amount,
        discount_amount,
        order_discount_amount,
        returned_amount,
        revenue_amount,
        cancelled_amount,
        cost_amount,
        cast(revenue_amount - cost_amount as decimal(18, 2)) as margin_amount,
        shipping_amount,
        {{ as_of() }} as as_of_date
    from classed
)

select * from final
