{%- set breakdowns = {
    'total': "'all'",
    'source_of_lead': "coalesce(source_of_lead, 'unknown')",
    'employee': "coalesce(employee_id, 'unknown')",
} -%}
with

leads as (
    select * from {{ ref('leads') }}
),

-- A stage that a lead entered twice counts once, from the first time on.
reached as (
    select
        source,
        lead_id,
        'created' as stage,
        'open' as stage_class,
        created_on as entered_on
    from leads
    union all
    select
        source,
        lead_id,
        stage,
        stage_class,
        min(entered_on) as entered_on
    from {{ ref('lead_stages') }}
    where stage != 'created'
    group by source, lead_id, stage, stage_class
),

traced as (
    select
        leads.created_on,
        {% for breakdown, part in breakdowns.items() %}
        {{ part }} as part_{{ loop.index }},
        {% endfor %}
        reached.stage,
        reached.stage_class,
        case
            when reached.entered_on >= leads.created_on
                then {{ days_between('leads.created_on', 'reached.entered_on') }}
        end as days_to_stage,
        leads.outcome,
        leads.days_to_decision
    from reached
    inner join leads
        on reached.source = leads.source and reached.lead_id = leads.lead_id
),

broken_down as (
    {% for breakdown in breakdowns %}
    select
        created_on,
        '{{ breakdown }}' as breakdown,
        part_{{ loop.index }} as part,
        stage,
        stage_class,
        days_to_stage,
        outcome,
        days_to_decision
    from traced
    {{ "union all" if not loop.last }}
    {% endfor %}
),

grained as (
    select
        *,
        'month' as cohort_grain,
        {{ month_of('created_on') }} as cohort_start,
        1 as month_count
    from broken_down
    union all
    select
        *,
        'year' as cohort_grain,
        cast(date_trunc('year', created_on) as date) as cohort_start,
        12 as month_count
    from broken_down
),

counted as (
    select
        cohort_grain,
        cohort_start,
        month_count,
        breakdown,
        part,
        stage,
        stage_class,
        count(*) as lead_count,
        count(*) filter (where outcome = 'won') as won_count,
        count(*) filter (where outcome = 'lost') as lost_count,
        count(*) filter (where outcome = 'open') as open_count,
        {{ median('days_to_stage') }} as median_days_to_stage,
        count(*) - count(days_to_stage) as backdated_count,
        {{ median("case when outcome = 'won' then days_to_decision end") }}
            as median_days_to_win
    from grained
    group by
        cohort_grain,
        cohort_start,
        month_count,
        breakdown,
        part,
        stage,
        stage_class
),

shared as (
    select
        *,
        max(case when stage = 'created' then lead_count end) over (
            partition by cohort_grain, cohort_start, breakdown, part
        ) as created_count,
        won_count + lost_count as n,
        case
            when won_count + lost_count >= {{ var('minimum_answers') }}
                then won_count / cast(won_count + lost_count as double)
        end as win_share
    from counted
),

final as (
    select
        cohort_grain,
        cohort_start,
        {{ add_months('cohort_start', 'month_count') }} <= {{ add_days(as_of(), 1) }}
            as is_complete,
        breakdown,
        part,
        stage,
        stage_class,
        created_count,
        lead_count,
        100 * (lead_count / cast(created_count as double)) as reached_pct,
        won_count,
        lost_count,
        open_count,
        100 * (won_count / cast(lead_count as double)) as won_pct,
        100 * ((won_count + open_count) / cast(lead_count as double))
            as won_or_open_pct,
        100 * win_share as win_rate_pct,
        100 * {{ wilson_bound('win_share', 'cast(n as double)', '-') }}
            as win_rate_low_pct,
        100 * {{ wilson_bound('win_share', 'cast(n as double)', '+') }}
            as win_rate_high_pct,
        n,
        'Wilson interval' as method,
        case
            when win_share is null
                then 'fewer than {{ var("minimum_answers") }} decided leads'
        end as missing_reason,
        median_days_to_stage,
        backdated_count,
        median_days_to_win,
        {{ as_of() }} as as_of_date
    from shared
)

select * from final
