{%- set counts = ['order_count', 'return_count', 'cancelled_count', 'line_count'] -%}
{%- set amounts = [
    'gross_amount', 'returned_amount', 'revenue_amount', 'cancelled_amount',
    'discount_amount'
] -%}
with

identities as (
    select distinct customer_id
    from {{ ref('identities') }}
    where customer_id is not null
),

orders as (
    select * from {{ ref('orders') }}
),

purchases as (
    select * from {{ ref('orders') }}
    where is_purchase
),

-- Counting distinct days within the groups would cost much more.
purchase_days as (
    select distinct
        customer_id,
        order_date
    from purchases
),

purchase_days_counted as (
    select
        customer_id,
        count(*) as purchase_day_count
    from purchase_days
    group by customer_id
),

summed as (
    select
        customer_id,
        count(*) as record_count,
        count(*) filter (where is_purchase) as order_count,
        count(*) filter (where has_return) as return_count,
        count(*) filter (where status_class = 'cancelled') as cancelled_count,
        count(*) filter (where quantity is null) as unknown_quantity_count,
        count(*) filter (where cost_amount is null) as unknown_cost_count,
        min(case when is_purchase or has_return then order_date end)
            as first_order_date,
        sum(case when status_class = 'cancelled' then 0 else line_count end)
            as line_count,
        sum(quantity) as quantity,
        {% for column in amounts %}
        sum({{ column }}) as {{ column }},
        {% endfor %}
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
        {% for column in counts %}
        cast(coalesce(summed.{{ column }}, 0) as bigint) as {{ column }},
        {% endfor %}
        coalesce(purchase_days_counted.purchase_day_count, 0) as purchase_day_count,
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
        {% for column in amounts %}
        cast(coalesce(summed.{{ column }}, 0) as decimal(18, 2)) as {{ column }},
        {% endfor %}
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
        {{ mean_amount('summed.gross_amount', 'summed.order_count') }}
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
    left join purchase_days_counted
        on named.customer_id = purchase_days_counted.customer_id
    cross join total
),

final as (
    select
        customer_id,
        coalesce(first_order_date, {{ first_day() }}) as window_start,
        {{ as_of() }} as window_end,
        order_count,
        purchase_day_count,
        return_count,
        cancelled_count,
        line_count,
        quantity,
        quantity_missing_reason,
        {% for column in amounts %}
        {{ column }},
        {% endfor %}
        cost_amount,
        cast(revenue_amount - cost_amount as decimal(18, 2)) as margin_amount,
        margin_missing_reason,
        average_order_amount,
        revenue_share_pct,
        {{ as_of() }} as as_of_date
    from valued
)

select * from final
