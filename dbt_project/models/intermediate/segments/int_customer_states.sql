{#- What records tell of a customer. -#}
{%- set attributes = [
    'customer_kind', 'city', 'region', 'country', 'industry', 'level',
    'registration_source', 'birth_date'
] -%}
{%- set counts = [
    'purchase_day_count', 'purchase_day_count_30d', 'purchase_day_count_90d',
    'purchase_day_count_365d', 'interaction_count', 'interaction_count_30d',
    'interaction_count_90d', 'interaction_count_365d'
] -%}
{%- set amounts = [
    'revenue_amount', 'revenue_amount_30d', 'revenue_amount_90d', 'revenue_amount_365d'
] -%}
{#- The declared thresholds, in days or in usual gaps of the customer's own. -#}
{%- set days = [
    var('drowsy_days'), var('half_asleep_days'), var('asleep_days')
] -%}
{%- set gaps = var('rhythm_gaps') -%}
with

windows as (
    select * from {{ ref('int_customer_windows') }}
    where customer_id != 'unidentified'
),

customers as (
    select * from {{ ref('customers') }}
),

records as (
    select
        *,
        greatest(
            {{ business_date('updated_at') }}, {{ business_date('registered_at') }}
        ) as told_on,
        coalesce(-1 * {{ epoch_seconds('updated_at') }}, 1.0e18) as staleness
    from {{ ref('int_customer_records') }}
),

-- What records tell changes with a record alone.
changes as (
    select distinct
        customer_id,
        coalesce(told_on, cast('0001-01-01' as date)) as told_from
    from records
),

told as (
    select
        changes.customer_id,
        changes.told_from,
        records.source,
        records.customer_record_id,
        records.updated_at,
        {%- for attribute in attributes %}
        records.{{ attribute }},
        {%- if var('survivorship')[attribute] == 'most_frequent' %}
        count(records.{{ attribute }}) over (
            partition by
                changes.customer_id, changes.told_from, records.{{ attribute }}
        ) as {{ attribute }}_count,
        {%- endif %}
        {%- endfor %}
        records.staleness
    from changes
    inner join records on changes.customer_id = records.customer_id
    where coalesce(records.told_on <= changes.told_from, true)
),

-- By the rules of `customers`, among the records of that day.
recorded as (
    select
        customer_id,
        {%- for attribute in attributes %}
        min_by({{ attribute }}, {{ survival_of(attribute) }})
        filter (where {{ attribute }} is not null) as {{ attribute }},
        {%- endfor %}
        told_from
    from told
    group by customer_id, told_from
),

followed as (
    select
        *,
        lead(told_from) over (
            partition by customer_id order by told_from nulls last
        ) as told_until
    from recorded
),

known as (
    select
        windows.state_on,
        {%- for attribute in attributes %}
        followed.{{ attribute }},
        {%- endfor %}
        followed.customer_id
    from windows
    inner join followed on windows.customer_id = followed.customer_id
    where
        windows.state_on >= followed.told_from
        and coalesce(windows.state_on < followed.told_until, true)
),

scores as (
    select * from {{ ref('int_rfm_scored') }}
),

-- Equal amounts have one place, that of the first of them.
earners as (
    select
        customer_id,
        state_on,
        revenue_amount_365d,
        rank() over (
            partition by state_on order by revenue_amount_365d desc nulls last
        ) - 1 as above_count,
        count(*) over (partition by state_on) as n
    from windows
    where may_be_scored and revenue_amount_365d > 0
),

-- Of all time. Summed by amount first, so that equal ones bear the same sum above.
amounts_summed as (
    select
        state_on,
        revenue_amount,
        sum(revenue_amount) as amount
    from windows
    where may_be_scored and revenue_amount > 0
    group by state_on, revenue_amount
),

amounts_placed as (
    select
        state_on,
        revenue_amount,
        sum(amount) over (
            partition by state_on
            order by revenue_amount desc nulls last
            rows between unbounded preceding and current row
        ) - amount as above_amount,
        sum(amount) over (partition by state_on) as total_amount
    from amounts_summed
),

silences as (
    select
        *,
        {{ days_between('last_order_date', 'state_on') }} as days_since_last_order,
        {% if var('activity_by') == 'rhythm' %}
        gap_count >= {{ var('minimum_gaps') }} as is_by_rhythm
        {% else %}
        false as is_by_rhythm
        {% endif %}
    from windows
),

drowsed as (
    select
        *,
        case
            when not may_be_scored then 'not_permitted'
            when days_since_last_order is null then 'never_purchased'
            {% for state, place in [('asleep', 2), ('half_asleep', 1), ('drowsy', 0)] %}
            when
                not is_by_rhythm and days_since_last_order >= {{ days[place] }}
                then '{{ state }}'
            when
                is_by_rhythm
                and days_since_last_order >= {{ gaps[place] }} * median_gap_days
                then '{{ state }}'
            {% endfor %}
            else 'active'
        end as activity_state
    from silences
),

final as (
    select
        drowsed.customer_id,
        drowsed.state_on,
        drowsed.state_on = {{ as_of() }} as is_latest,
        drowsed.may_be_scored,
        {% for attribute in attributes %}
        known.{{ attribute }},
        {% endfor %}
        case
            when {{ business_date('customers.registered_at') }} <= drowsed.state_on
                then {{ business_date('customers.registered_at') }}
        end as registered_date,
        coalesce(customers.is_earlier, false) as is_earlier,
        drowsed.first_order_date,
        drowsed.last_order_date,
        cast(drowsed.days_since_last_order as bigint) as days_since_last_order,
        cast(
            {{ days_between('drowsed.last_interaction_date', 'drowsed.state_on') }}
            as bigint
        ) as days_since_last_interaction,
        drowsed.gap_count,
        case when drowsed.may_be_scored then drowsed.median_gap_days end
            as median_gap_days,
        case
            when drowsed.may_be_scored
                then
                    cast(drowsed.days_since_last_order as double)
                    / drowsed.median_gap_days
        end as gap_ratio,
        drowsed.activity_state,
        case
            when
                not drowsed.may_be_scored or drowsed.days_since_last_order is null
                then null
            when drowsed.is_by_rhythm then 'own rhythm'
            else 'declared days'
        end as activity_method,
        drowsed.lifecycle,
        drowsed.purchase_count as order_count,
        {% for count in counts %}
        drowsed.{{ count }},
        {% endfor %}
        {% for amount in amounts %}
        drowsed.{{ amount }},
        {% endfor %}
        case when drowsed.unknown_cost_count = 0 then drowsed.margin_amount end
            as margin_amount,
        100 * cast(earners.above_count as double) / earners.n as revenue_rank_pct_365d,
        case
            when drowsed.may_be_scored
                then
                    {{ percent_of(
                        'amounts_placed.above_amount', 'amounts_placed.total_amount'
                    ) }}
        end as revenue_above_pct,
        scores.r_score,
        scores.f_score,
        scores.m_score,
        scores.rfm_cell,
        scores.segment as rfm_segment,
        scores.value_type,
        drowsed.csat_count as csat_answer_count,
        drowsed.csat_top_count as csat_top_two_count,
        drowsed.nps_count as nps_answer_count,
        drowsed.promoter_count,
        drowsed.detractor_count,
        drowsed.csat_count_365d as csat_answer_count_365d,
        cast(drowsed.csat_sum_365d as double) / nullif(drowsed.csat_count_365d, 0)
            as csat_mean_365d,
        drowsed.nps_count_365d as nps_answer_count_365d,
        cast(drowsed.nps_sum_365d as double) / nullif(drowsed.nps_count_365d, 0)
            as nps_mean_365d,
        drowsed.complaint_count,
        drowsed.complaint_count_365d,
        drowsed.open_case_count
    from drowsed
    inner join customers on drowsed.customer_id = customers.customer_id
    left join known
        on
            drowsed.customer_id = known.customer_id
            and drowsed.state_on = known.state_on
    left join scores
        on
            drowsed.customer_id = scores.customer_id
            and drowsed.state_on = scores.window_end
    left join earners
        on
            drowsed.customer_id = earners.customer_id
            and drowsed.state_on = earners.state_on
    left join amounts_placed
        on
            drowsed.state_on = amounts_placed.state_on
            and drowsed.revenue_amount = amounts_placed.revenue_amount
)

select * from final
