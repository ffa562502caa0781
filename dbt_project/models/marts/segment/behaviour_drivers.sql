{%- if not var('models') -%}
{{ no_rows() }}
{%- else -%}
with

drivers as (
    select * from {{ ref('int_drivers') }}
),

trained as (
    select observed_on from {{ ref('int_observation_days') }}
    where role = 'train'
),

final as (
    select
        'stays' as outcome,
        case when drivers.segment = 'all' then 'all' else 'tier' end as scheme,
        drivers.segment,
        drivers.behaviour,
        drivers.words as definition,
        drivers.indicators,
        100 * drivers.share as share_pct,
        100 * drivers.lower_bound as share_pct_lower_bound,
        100 * drivers.upper_bound as share_pct_upper_bound,
        case
            when drivers.share is null then null
            when drivers.correlation > 0 then 'keeps'
            else 'drives_away'
        end as effect,
        drivers.correlation,
        100 * drivers.stability as stability_pct,
        drivers.is_leak,
        100 * drivers.explained as explained_pct,
        drivers.n,
        trained.observed_on,
        {{ add_days('trained.observed_on', '(1 + ' ~ var('horizon_days') ~ ')') }}
            as window_start,
        {{ as_of() }} as window_end,
        drivers.method,
        drivers.reason as missing_reason,
        {{ as_of() }} as as_of_date
    from drivers
    cross join trained
)

select * from final
{%- endif %}
