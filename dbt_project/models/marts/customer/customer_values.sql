{%- set counts = [
    'order_count', 'purchase_day_count', 'return_count', 'cancelled_count', 'line_count'
] -%}
{%- set amounts = [
    'gross_amount', 'returned_amount', 'revenue_amount', 'cancelled_amount',
    'discount_amount'
] -%}
{%- set sums = [
    'record_count', 'order_count', 'return_count', 'cancelled_count', 'line_count',
    'unknown_quantity_count', 'unknown_cost_count', 'quantity', 'cost_amount'
] + amounts -%}
with

identities as (
    select distinct customer_id
    from {{ ref('identities') }}
    where customer_id is not null
),

orders as (
    select * from {{ ref('orders') }}
),

-- By day first: counting days within groups costs much more.
days as (
    select
        customer_id,
        order_date,
        count(*) as record_count,
        count(*) filter (where is_purchase) as order_count,
        count(*) filter (where has_return) as return_count,
        count(*) filter (where status_class = 'cancelled') as cancelled_count,
        count(*) filter (where quantity is null) as unknown_quantity_count,
        count(*) filter (where cost_amount is null) as unknown_cost_count,
        sum(case when status_class = 'cancelled' then 0 else line_count end)
            as line_count,
        sum(quantity) as quantity,
        sum(gross_amount) as gross_amount,
        sum(returned_amount) as returned_amount,
        sum(revenue_amount) as revenue_amount,
        sum(cancelled_amount) as cancelled_amount,
        sum(discount_amount) as discount_amount,
        sum(cost_amount) as cost_amount
    from orders
    group by customer_id, order_date
),

summed as (
    select
        customer_id,
        {% for column in sums %}
        sum({{ column }}) as {{ column }},
        {% endfor %}
        count(*) filter (where order_count > 0) as purchase_day_count,
        min(case when order_count + return_count > 0 then order_date end)
            as first_order_date
    from days
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
    cross join total
),

final as (
    select
        customer_id,
        coalesce(first_order_date, {{ first_day() }}) as window_start,
        {{ as_of() }} as window_end,
        {% for column in counts %}
        {{ column }},
        {% endfor %}
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
