{#- What a day of a customer's adds to each measure, by what it is read from. -#}
{%- set traces = {
    'orders': {
        'day': 'order_date',
        'purchase_count': 'case when is_purchase then 1 else 0 end',
        'exchange_count': 'case when is_purchase or has_return then 1 else 0 end',
        'revenue_amount': 'revenue_amount',
        'margin_amount': 'coalesce(margin_amount, 0)',
        'unknown_cost_count': 'case when cost_amount is null then 1 else 0 end',
    },
    'interactions': {
        'day': 'occurred_date',
        'interaction_count': '1',
    },
    'cases_opened': {
        'day': 'opened_date',
        'complaint_count': 'case when is_complaint then 1 else 0 end',
        'open_case_count': '1',
    },
    'cases_resolved': {
        'day': 'resolved_date',
        'open_case_count': '-1',
    },
    'answers': {
        'day': 'answered_date',
        'csat_count': 'case when csat_score is not null then 1 else 0 end',
        'csat_top_count': 'case when csat_score >= 4 then 1 else 0 end',
        'csat_sum': 'coalesce(csat_score, 0)',
        'nps_count': 'case when nps_score is not null then 1 else 0 end',
        'promoter_count': 'case when nps_score >= 9 then 1 else 0 end',
        'detractor_count': 'case when nps_score <= 6 then 1 else 0 end',
        'nps_sum': 'coalesce(nps_score, 0)',
    },
} -%}
{%- set amounts = ['revenue_amount', 'margin_amount'] -%}
{%- set counts = [
    'purchase_count', 'exchange_count', 'unknown_cost_count', 'interaction_count',
    'complaint_count', 'open_case_count', 'csat_count', 'csat_top_count', 'csat_sum',
    'nps_count', 'promoter_count', 'detractor_count', 'nps_sum'
] -%}
{#- Days up to the state's, and what is summed over them. -#}
{%- set windows = {
    30: ['purchase_day_count', 'revenue_amount', 'interaction_count'],
    90: ['purchase_day_count', 'revenue_amount', 'interaction_count'],
    365: [
        'purchase_day_count', 'revenue_amount', 'interaction_count', 'complaint_count',
        'csat_count', 'csat_sum', 'nps_count', 'nps_sum'
    ],
} -%}
{%- set rfm_days = var('rfm_window_days') | int(365) -%}
{%- set in_order =
    'partition by customer_id order by day_number nulls last' -%}
{%- set so_far =
    in_order ~ ' rows between unbounded preceding and current row' -%}
with

customers as (
    select
        customer_id,
        customer_id != 'unidentified'
        and {{ may_be_scored('may_be_profiled') }} as may_be_scored
    from {{ ref('customers') }}
),

customer_months as (
    select * from {{ ref('customer_months') }}
),

orders as (
    select * from {{ ref('orders') }}
),

interactions as (
    select
        coalesce(customer_id, 'unidentified') as customer_id,
        occurred_date
    from {{ ref('interactions') }}
),

cases_opened as (
    select
        coalesce(customer_id, 'unidentified') as customer_id,
        is_complaint,
        opened_date
    from {{ ref('complaints') }}
),

cases_resolved as (
    select
        coalesce(customer_id, 'unidentified') as customer_id,
        {{ business_date('resolved_at') }} as resolved_date
    from {{ ref('complaints') }}
    where resolved_at is not null
),

answers as (
    select
        coalesce(identities.customer_id, 'unidentified') as customer_id,
        {{ business_date('survey_answers.answered_at') }} as answered_date,
        {{ valid_answer('survey_answers', 'csat') }} as csat_score,
        {{ valid_answer('survey_answers', 'nps') }} as nps_score
    from {{ ref('feed_survey_answers') }} as survey_answers
    left join {{ ref('identities') }} as identities
        on
            survey_answers.identifier_type = identities.identifier_type
            and survey_answers.identifier_value = identities.identifier_value
    where {{ is_about_the_whole('survey_answers') }}
),

-- In a month that is not over, nobody knows yet who will stay silent in it.
lived as (
    select
        customer_id,
        month,
        case
            when lifecycle is not null or is_complete then lifecycle
            else
                lag(lifecycle) over (
                    partition by customer_id order by month nulls last
                )
        end as lifecycle
    from customer_months
),

months as (
    select month from lived
    union
    select {{ month_of(as_of()) }} as month
),

-- A record without any day was known all the time.
known as (
    select
        customer_id,
        month,
        lifecycle
    from lived
    union all
    select
        customers.customer_id,
        months.month,
        cast(null as string) as lifecycle
    from customers
    cross join months
    left join customer_months on customers.customer_id = customer_months.customer_id
    where
        customer_months.customer_id is null
        and customers.customer_id != 'unidentified'
),

looked_at as (
    select
        customer_id,
        least({{ add_days(add_months('month', 1), -1) }}, {{ as_of() }}) as day,
        lifecycle
    from known
    where month >= {{ month_of(first_day()) }}
),

traces as (
    {% for trace, columns in traces.items() %}
    select
        customer_id,
        {{ columns.day }} as day,
        {% for measure in counts + amounts %}
        {{ columns.get(measure, 0) }} as {{ measure }},
        {% endfor %}
        cast(null as string) as lifecycle,
        0 as is_state
    from {{ trace }}
    union all
    {% endfor %}
    select
        customer_id,
        day,
        {% for measure in counts + amounts %}
        0 as {{ measure }},
        {% endfor %}
        lifecycle,
        1 as is_state
    from looked_at
),

-- One row per customer and day, so that each window below has a unique order.
days as (
    select
        customer_id,
        day,
        {{ days_between("cast('1970-01-01' as date)", 'day') }} as day_number,
        max(lifecycle) as lifecycle,
        max(is_state) as is_state,
        {% for measure in counts %}
        cast(sum({{ measure }}) as bigint) as {{ measure }},
        {% endfor %}
        {% for measure in amounts %}
        cast(sum({{ measure }}) as decimal(18, 2)) as {{ measure }},
        {% endfor %}
        max(case when purchase_count > 0 then 1 else 0 end) as purchase_day_count,
        max(case when purchase_count > 0 then day end) as purchase_day,
        max(case when exchange_count > 0 then day end) as exchange_day,
        max(case when interaction_count > 0 then day end) as interaction_day
    from traces
    group by customer_id, day
),

gaps as (
    select
        *,
        case
            when purchase_day_count = 1
                then
                    {{ days_between(
                        'max(purchase_day) over (' ~ in_order
                        ~ ' rows between unbounded preceding and 1 preceding)',
                        'day',
                    ) }}
        end as gap_days
    from days
),

-- No join over customers and months: each state's row stands among the customer's days,
-- and sees what came before it.
windowed as (
    select
        customer_id,
        lifecycle,
        is_state,
        min(purchase_day) over ({{ so_far }}) as first_order_date,
        max(purchase_day) over ({{ so_far }}) as last_order_date,
        max(interaction_day) over ({{ so_far }}) as last_interaction_date,
        {% for measure in counts + amounts + ['purchase_day_count'] %}
        sum({{ measure }}) over ({{ so_far }}) as {{ measure }},
        {% endfor %}
        count(gap_days) over ({{ so_far }}) as gap_count,
        {{ running_median('gap_days', 'customer_id', 'day_number') }}
            as median_gap_days,
        {% for length, measures in windows.items() %}
        {% for measure in measures %}
        sum({{ measure }}) over (
            {{ in_order }} range between {{ length - 1 }} preceding and current row
        ) as {{ measure }}_{{ length }}d,
        {% endfor %}
        {% endfor %}
        {% for name, measured in {
            'frequency_count': 'sum(purchase_day_count)',
            'monetary_amount': 'sum(revenue_amount)',
            'window_start': 'min(exchange_day)',
        }.items() %}
        {{ measured }} over (
            {{ in_order }} range between {{ rfm_days - 1 }} preceding and current row
        ) as {{ name }},
        {% endfor %}
        day as state_on
    from gaps
),

final as (
    select
        windowed.customer_id,
        windowed.state_on,
        customers.may_be_scored,
        windowed.lifecycle,
        windowed.first_order_date,
        windowed.last_order_date,
        windowed.last_interaction_date,
        {% for measure in counts if measure != 'exchange_count' %}
        cast(windowed.{{ measure }} as bigint) as {{ measure }},
        {% endfor %}
        cast(windowed.purchase_day_count as bigint) as purchase_day_count,
        {% for measure in amounts %}
        cast(windowed.{{ measure }} as decimal(18, 2)) as {{ measure }},
        {% endfor %}
        windowed.gap_count,
        windowed.median_gap_days,
        {% for length, measures in windows.items() %}
        {% for measure in measures %}
        cast(
            windowed.{{ measure }}_{{ length }}d
            as {{ 'decimal(18, 2)' if measure in amounts else 'bigint' }}
        ) as {{ measure }}_{{ length }}d,
        {% endfor %}
        {% endfor %}
        cast(windowed.frequency_count as bigint) as frequency_count,
        cast(windowed.monetary_amount as decimal(18, 2)) as monetary_amount,
        windowed.window_start
    from windowed
    inner join customers on windowed.customer_id = customers.customer_id
    where windowed.is_state = 1
)

select * from final
