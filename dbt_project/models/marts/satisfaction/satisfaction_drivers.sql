{#- Of what the shares of the drivers sum to 100 %. -#}
{%- set whole = [
    'period_grain', 'period_start', 'source', 'survey', 'outcome',
    'outcome_scale_min', 'outcome_scale_max', 'segment', 'driver_kind',
] -%}
{%- if not var('models') -%}
{{ no_rows() }}
{%- else -%}
with

drivers as (
    select * from {{ ref('int_satisfaction_drivers') }}
),

ranked as (
    select
        *,
        row_number() over (
            partition by {{ whole | join(', ') }}
            order by
                share desc nulls last,
                driver asc nulls last,
                measure asc nulls last,
                scale_min asc nulls last,
                scale_max asc nulls last
        ) as position
    from drivers
),

summed as (
    select
        *,
        cast(
            sum(cast(share as decimal(18, 12))) over (
                partition by {{ whole | join(', ') }}
                order by position nulls last
                rows between unbounded preceding and current row
            ) as double
        ) as cumulative_share
    from ranked
),

final as (
    select
        period_grain,
        period_start,
        {{ end_of_year_or_all() }} as period_end,
        {{ end_of_year_or_all() }} <= {{ as_of() }} as is_complete,
        source,
        survey,
        outcome,
        outcome_scale_min,
        outcome_scale_max,
        case when segment = 'all' then 'all' else 'tier' end as scheme,
        segment,
        driver_kind,
        driver,
        measure,
        scale_min,
        scale_max,
        cast(case when share is not null then position end as bigint) as driver_rank,
        100 * share as share_pct,
        100 * share_low as share_pct_low,
        100 * share_high as share_pct_high,
        case when share is not null then 100 * cumulative_share end
            as cumulative_share_pct,
        100 * variance as variance_pct,
        case
            when share is null then null
            when correlation >= 0 then 'raises'
            else 'lowers'
        end as effect,
        effect as points_per_point,
        effect_low as points_per_point_low,
        effect_high as points_per_point_high,
        correlation,
        100 * stability as stability_pct,
        score_mean,
        outcome_mean,
        100 * answered as answered_pct,
        n,
        person_count,
        method,
        reason as missing_reason,
        {{ as_of() }} as as_of_date
    from summed
)

select * from final
{%- endif %}
