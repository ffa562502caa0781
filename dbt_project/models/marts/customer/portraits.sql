{%- set dimensions = {
    'city': 'city',
    'region': 'region',
    'industry': 'industry',
    'level': 'level',
    'source': 'registration_source',
} -%}
{%- set grains = {'month': 0, 'quarter': 2, 'year': 11} -%}
{%- set counts = ['customer_count', 'buyer_count', 'order_count', 'return_count'] -%}
{%- set amounts = ['gross_amount', 'returned_amount', 'revenue_amount'] -%}
{%- set flows = counts[2:] + amounts -%}
with

customers as (
    select
        customer_id,
        {% for dimension, column in dimensions.items() %}
        case
            when customer_id = 'unidentified' then 'unidentified'
            else coalesce({{ column }}, 'unknown')
        end as {{ dimension }},
        {% endfor %}
        customer_id != 'unidentified' as is_identified
    from {{ ref('customers') }}
),

orders as (
    select * from {{ ref('orders') }}
),

ownerships as (
    select
        *,
        {{ month_of('began_on') }} as from_month,
        {{ month_of('ended_on') }} as to_month
    from {{ ref('ownerships') }}
),

months as (
    select
        customer_id,
        min(month) as first_month
    from {{ ref('customer_months') }}
    group by customer_id
),

-- Who has no dated trace counts from the last month on.
known as (
    select
        customers.customer_id,
        coalesce(months.first_month, {{ month_of(as_of()) }}) as known_month
    from customers
    left join months on customers.customer_id = months.customer_id
    where customers.is_identified
),

-- Months at whose ends an employee has the customer, from the first to the one before
-- the last.
kept as (
    select
        ownerships.customer_id,
        ownerships.employee_id,
        ownerships.department,
        greatest(ownerships.from_month, known.known_month) as from_month,
        ownerships.to_month
    from ownerships
    inner join known on ownerships.customer_id = known.customer_id
    where
        coalesce(
            ownerships.to_month > greatest(ownerships.from_month, known.known_month),
            true
        )
),

-- By how much the number of an owner's customers changes in a month.
changes as (
    select
        customer_id,
        cast(null as string) as employee_id,
        cast(null as string) as department,
        known_month as month,
        1 as change
    from known
    union all
    select
        customer_id,
        cast(null as string) as employee_id,
        cast(null as string) as department,
        from_month as month,
        -1 as change
    from kept
    union all
    select
        customer_id,
        employee_id,
        department,
        from_month as month,
        1 as change
    from kept
    union all
    select
        customer_id,
        employee_id,
        department,
        to_month as month,
        -1 as change
    from kept
    where to_month is not null
    union all
    select
        customer_id,
        cast(null as string) as employee_id,
        cast(null as string) as department,
        to_month as month,
        1 as change
    from kept
    where to_month is not null
),

owned_orders as (
    select
        orders.source,
        orders.order_id,
        ownerships.employee_id,
        ownerships.department
    from orders
    inner join ownerships on orders.customer_id = ownerships.customer_id
    where
        orders.ordered_at >= ownerships.began_at
        and coalesce(orders.ordered_at < ownerships.ended_at, true)
),

purchases as (
    select distinct
        customer_id,
        order_month
    from orders
    where is_purchase and customer_id != 'unidentified'
),

buyers as (
    {% for grain, months_more in grains.items() %}
    select distinct
        '{{ grain }}' as period_grain,
        cast(date_trunc('{{ grain }}', order_month) as date) as period_start,
        least(
            {{ add_months(
                "cast(date_trunc('" ~ grain ~ "', order_month) as date)", months_more
            ) }},
            {{ month_of(as_of()) }}
        ) as last_month,
        customer_id
    from purchases
    {{ "union all" if not loop.last }}
    {% endfor %}
),

owned_buyers as (
    select
        buyers.period_grain,
        buyers.period_start,
        buyers.customer_id,
        kept.employee_id,
        kept.department
    from buyers
    inner join kept on buyers.customer_id = kept.customer_id
    where
        buyers.last_month >= kept.from_month
        and coalesce(buyers.last_month < kept.to_month, true)
),

-- Each of these by all that tells customers apart, on few rows.
changed as (
    select
        {% for dimension in dimensions %}
        customers.{{ dimension }},
        {% endfor %}
        changes.employee_id,
        changes.department,
        changes.month,
        sum(changes.change) as change
    from changes
    inner join customers on changes.customer_id = customers.customer_id
    group by
        {% for dimension in dimensions %}
        customers.{{ dimension }},
        {% endfor %}
        changes.employee_id,
        changes.department,
        changes.month
),

bought as (
    select
        buyers.period_grain,
        buyers.period_start,
        {% for dimension in dimensions %}
        customers.{{ dimension }},
        {% endfor %}
        owned_buyers.employee_id,
        owned_buyers.department,
        count(*) as buyer_count
    from buyers
    inner join customers on buyers.customer_id = customers.customer_id
    left join owned_buyers
        on
            buyers.period_grain = owned_buyers.period_grain
            and buyers.period_start = owned_buyers.period_start
            and buyers.customer_id = owned_buyers.customer_id
    group by
        buyers.period_grain,
        buyers.period_start,
        {% for dimension in dimensions %}
        customers.{{ dimension }},
        {% endfor %}
        owned_buyers.employee_id,
        owned_buyers.department
),

sold as (
    select
        orders.order_month,
        {% for dimension in dimensions %}
        customers.{{ dimension }},
        {% endfor %}
        owned_orders.employee_id,
        owned_orders.department,
        sum(case when orders.is_purchase then 1 else 0 end) as order_count,
        sum(case when orders.has_return then 1 else 0 end) as return_count,
        sum(orders.gross_amount) as gross_amount,
        sum(orders.returned_amount) as returned_amount,
        sum(orders.revenue_amount) as revenue_amount
    from orders
    inner join customers on orders.customer_id = customers.customer_id
    left join owned_orders
        on
            orders.source = owned_orders.source
            and orders.order_id = owned_orders.order_id
    group by
        orders.order_month,
        {% for dimension in dimensions %}
        customers.{{ dimension }},
        {% endfor %}
        owned_orders.employee_id,
        owned_orders.department
),

calendar as (
    select distinct month
    from {{ ref('customer_months') }}
    union
    select {{ month_of(as_of()) }} as month
),

-- One dimension beside the other: each divides all customers and all orders.
changed_parts as (
    {% for dimension in dimensions %}
    select
        '{{ dimension }}' as dimension,
        {{ dimension }} as part,
        department,
        employee_id,
        month,
        change
    from changed
    {{ "union all" if not loop.last }}
    {% endfor %}
),

bought_parts as (
    {% for dimension in dimensions %}
    select
        '{{ dimension }}' as dimension,
        {{ dimension }} as part,
        department,
        employee_id,
        period_grain,
        period_start,
        buyer_count
    from bought
    {{ "union all" if not loop.last }}
    {% endfor %}
),

sold_parts as (
    {% for dimension in dimensions %}
    select
        '{{ dimension }}' as dimension,
        {{ dimension }} as part,
        department,
        employee_id,
        {% for column in flows %}
        {{ column }},
        {% endfor %}
        order_month
    from sold
    {{ "union all" if not loop.last }}
    {% endfor %}
),

changed_summed as (
    select
        dimension,
        part,
        department,
        employee_id,
        month,
        sum(change) as change
    from changed_parts
    group by dimension, part, department, employee_id, month
),

standing as (
    select
        changed_summed.dimension,
        changed_summed.part,
        changed_summed.department,
        changed_summed.employee_id,
        calendar.month,
        sum(changed_summed.change) as customer_count
    from changed_summed
    inner join calendar on changed_summed.month <= calendar.month
    group by
        changed_summed.dimension,
        changed_summed.part,
        changed_summed.department,
        changed_summed.employee_id,
        calendar.month
    having sum(changed_summed.change) != 0
),

counted as (
    {% for grain, months_more in grains.items() %}
    select
        '{{ grain }}' as period_grain,
        cast(date_trunc('{{ grain }}', month) as date) as period_start,
        dimension,
        part,
        department,
        employee_id,
        {% for column in flows %}
        0 as {{ column }},
        {% endfor %}
        customer_count,
        0 as buyer_count
    from standing
    where
        month = {{ month_of(as_of()) }}
        or month = {{ add_months(
            "cast(date_trunc('" ~ grain ~ "', month) as date)", months_more
        ) }}
    union all
    {% endfor %}
    {% for grain in grains %}
    select
        '{{ grain }}' as period_grain,
        cast(date_trunc('{{ grain }}', order_month) as date) as period_start,
        dimension,
        part,
        department,
        employee_id,
        {% for column in flows %}
        {{ column }},
        {% endfor %}
        0 as customer_count,
        0 as buyer_count
    from sold_parts
    union all
    {% endfor %}
    select
        period_grain,
        period_start,
        dimension,
        part,
        department,
        employee_id,
        {% for column in flows %}
        0 as {{ column }},
        {% endfor %}
        0 as customer_count,
        buyer_count
    from bought_parts
),

summed as (
    select
        period_grain,
        period_start,
        dimension,
        part,
        case
            when employee_id is null then 'unassigned'
            else coalesce(department, 'unknown')
        end as department,
        coalesce(employee_id, 'unassigned') as employee_id,
        {% for column in counts %}
        cast(sum({{ column }}) as bigint) as {{ column }},
        {% endfor %}
        {% for column in amounts %}
        cast(sum({{ column }}) as decimal(18, 2)) as {{ column }},
        {% endfor %}
        max(
            case period_grain
                {% for grain, months_more in grains.items() %}
                when '{{ grain }}' then {{ months_more + 1 }}
                {% endfor %}
            end
        ) as month_count
    from counted
    group by period_grain, period_start, dimension, part, department, employee_id
),

final as (
    select
        period_grain,
        period_start,
        {{ add_days(add_months('period_start', 'month_count'), -1) }} as period_end,
        dimension,
        part,
        department,
        employee_id,
        {% for column in counts + amounts %}
        {{ column }},
        {% endfor %}
        {{ as_of() }} as as_of_date
    from summed
)

select * from final
