{#- In months. A hundred years: what lies before that is no customer's trace. -#}
{% set longest_span = 1200 %}
{%- set counts = ['order_count', 'return_count', 'cancelled_count'] -%}
{%- set amounts = [
    'gross_amount', 'returned_amount', 'revenue_amount', 'discount_amount'
] -%}
{%- set measures = [
    'interaction_count', 'visit_day_count', 'purchase_day_count'
] + counts + amounts %}
with

interactions as (
    select * from {{ ref('interactions') }}
),

orders as (
    select * from {{ ref('orders') }}
),

customers as (
    select * from {{ ref('customers') }}
),

-- Their months begin there, without a trace.
registrations as (
    select
        customer_id,
        greatest({{ business_date('registered_at') }}, {{ first_day() }}) as day
    from customers
    where registered_at is not null
),

earlier as (
    select customer_id
    from customers
    where is_earlier
),

traces as (
    select
        coalesce(customer_id, 'unidentified') as customer_id,
        occurred_date as day,
        1 as interaction_count,
        interaction_kind in ('order', 'event', 'presence') as is_visit,
        {% for column in counts + amounts %}
        0 as {{ column }},
        {% endfor %}
        false as is_purchase
    from interactions
    where occurred_date > {{ add_months(as_of(), -longest_span) }}
    union all
    select
        customer_id,
        order_date as day,
        0 as interaction_count,
        false as is_visit,
        case when is_purchase then 1 else 0 end as order_count,
        case when has_return then 1 else 0 end as return_count,
        case when status_class = 'cancelled' then 1 else 0 end as cancelled_count,
        {% for column in amounts %}
        {{ column }},
        {% endfor %}
        is_purchase
    from orders
    union all
    select
        customer_id,
        day,
        0 as interaction_count,
        false as is_visit,
        {% for column in counts + amounts %}
        0 as {{ column }},
        {% endfor %}
        false as is_purchase
    from registrations
),

traced as (
    select
        customer_id,
        {{ month_of('day') }} as month,
        cast(sum(interaction_count) as bigint) as interaction_count,
        {% for column in counts %}
        cast(sum({{ column }}) as bigint) as {{ column }},
        {% endfor %}
        {% for column in amounts %}
        cast(sum({{ column }}) as decimal(18, 2)) as {{ column }},
        {% endfor %}
        {{ count_days_of_month('day', 'is_visit') }} as visit_day_count,
        {{ count_days_of_month('day', 'is_purchase') }} as purchase_day_count
    from traces
    group by customer_id, month
),

-- The months of customers known earlier are counted from where the data begin.
beginning as (
    select coalesce(min(month), {{ month_of(first_day()) }}) as first_month
    from traced
    where order_count > 0
),

-- Each month with a trace is repeated for the empty months that follow it, so that no
-- join over all customers and months is needed.
placed as (
    select
        customer_id,
        month,
        {% for column in measures %}
        {{ column }},
        {% endfor %}
        min(case when order_count > 0 then month end) over (
            partition by customer_id
        ) as first_active_month,
        max(case when order_count > 0 then month end) over (
            partition by customer_id
            order by month nulls last
            rows between unbounded preceding and 1 preceding
        ) as previous_active_month,
        lead(month) over (
            partition by customer_id order by month nulls last
        ) as next_traced_month
    from traced
),

bounded as (
    select
        placed.customer_id,
        placed.month,
        {% for column in measures %}
        placed.{{ column }},
        {% endfor %}
        case
            when placed.customer_id != 'unidentified' then placed.first_active_month
        end as first_active_month,
        placed.previous_active_month,
        earlier.customer_id is not null as is_earlier,
        least(beginning.first_month, {{ month_of(first_day()) }}) as beginning_month,
        least(
            {{ months_between(
                'placed.month',
                'coalesce(placed.next_traced_month, '
                ~ add_months(month_of(as_of()), 1) ~ ')',
            ) }},
            {{ longest_span }}
        ) as span_months
    from placed
    cross join beginning
    left join earlier on placed.customer_id = earlier.customer_id
),

numbers as (
    {{ numbers(longest_span) }}
),

spans as (
    select
        lengths.number as span_months,
        numbers.number - 1 as months_later
    from numbers as lengths
    inner join numbers on lengths.number >= numbers.number
),

filled as (
    select
        bounded.customer_id,
        {{ add_months('bounded.month', 'spans.months_later') }} as month,
        bounded.first_active_month,
        bounded.is_earlier,
        bounded.beginning_month,
        spans.months_later = 0 as is_traced,
        {% for column in measures %}
        bounded.{{ column }},
        {% endfor %}
        case
            when spans.months_later > 0 and bounded.order_count > 0
                then bounded.month
            else bounded.previous_active_month
        end as previous_active_month
    from bounded
    inner join spans on bounded.span_months = spans.span_months
),

emptied as (
    select
        customer_id,
        month,
        case
            when first_active_month is null then null
            when is_earlier then beginning_month
            else first_active_month
        end as cohort_month,
        is_earlier,
        month >= {{ first_day() }}
        and {{ add_months('month', 1) }} <= {{ add_days(as_of(), 1) }} as is_complete,
        {% for column in measures %}
        case when is_traced then {{ column }} else 0 end as {{ column }},
        {% endfor %}
        previous_active_month
    from filled
),

final as (
    select
        customer_id,
        month,
        case
            when cohort_month is null then null
            when is_earlier then 'earlier'
            else {{ month_name('cohort_month') }}
        end as cohort,
        cohort_month,
        is_complete,
        interaction_count,
        visit_day_count,
        purchase_day_count,
        {% for column in counts %}
        {{ column }},
        {% endfor %}
        {% for column in amounts %}
        cast({{ column }} as decimal(18, 2)) as {{ column }},
        {% endfor %}
        case
            when customer_id != 'unidentified' then order_count > 0
        end as is_active,
        case
            when customer_id = 'unidentified' then null
            when order_count > 0 and previous_active_month is null and not is_earlier
                then 'new'
            when
                order_count > 0
                and previous_active_month = {{ add_months('month', -1) }}
                then 'returning'
            when order_count > 0 then 'resurrecting'
            when previous_active_month is null or not is_complete then null
            when previous_active_month = {{ add_months('month', -1) }} then 'dormant'
            else 'inactive'
        end as lifecycle,
        {{ as_of() }} as as_of_date
    from emptied
)

select * from final
