with

-- The last of them is the as-of date; on the others models are trained and judged.
planned as (
    select
        'score' as role,
        0 as days_before
    {%- if var('models') %}
    {%- set horizon_days = var('horizon_days') %}
    union all
    select
        'test' as role,
        {{ horizon_days }} as days_before
    union all
    select
        'train' as role,
        {{ 2 * horizon_days }} as days_before
    {%- endif %}
),

dated as (
    select
        {{ add_days(as_of(), '(-1 * days_before)') }} as observed_on,
        role
    from planned
),

final as (
    select
        observed_on,
        role
    from dated
    where
        role = 'score'
        or observed_on
        >= {{ add_days(first_day(), '(' ~ var('horizon_days') ~ ' - 1)') }}
)

select * from final
