{#- What a driver is, and whom or what a row is about. -#}
{%- set driver = [
    'source', 'survey', 'driver_kind', 'driver', 'measure', 'scale_min', 'scale_max',
] -%}
{%- set place = ['view', 'place'] -%}
{%- set outcome = ['outcome', 'outcome_scale_min', 'outcome_scale_max'] -%}
{#- Within one of these, importances sum to 100 %. -#}
{%- set whole = ['source', 'survey'] + outcome + ['driver_kind'] -%}
{%- set here = (place + whole + ['is_valued']) | join(', ') -%}
{%- set ordered = 'driver asc nulls last, measure asc nulls last, '
    ~ 'scale_min asc nulls last, scale_max asc nulls last' -%}
{%- set views = [
    ('all', "'all'"), ('touchpoint', 'touchpoint'), ('department', 'department'),
    ('tier', 'tier'),
] -%}
with

answers as (
    select * from {{ ref('int_answers_placed') }}
),

drivers as (
    select * from {{ ref('satisfaction_drivers') }}
    where period_grain = 'all' and driver != 'unlisted'
),

-- Answers about parts, each as an answer about its dimension and about its factor.
parts as (
    {% for kind in ['dimension', 'factor'] %}
    select
        source,
        survey,
        '{{ kind }}' as driver_kind,
        {{ kind }} as driver,
        measure,
        scale_min,
        scale_max,
        occasion,
        person,
        touchpoint,
        department,
        tier,
        score,
        item_count
    from answers
    where {{ kind }} is not null
    {{ "union all" if not loop.last }}
    {% endfor %}
),

told as (
    select
        {{ driver | join(', ') }},
        occasion,
        min(person) as person,
        min(touchpoint) as touchpoint,
        min(department) as department,
        min(tier) as tier,
        {{ exact_sum('score * item_count') }} / sum(item_count) as score
    from parts
    group by {{ driver | join(', ') }}, occasion
),

expectations as (
    select * from told
    where measure = 'expectation'
),

judged as (
    select
        {% for column in driver %}
        told.{{ column }},
        {% endfor %}
        told.person,
        told.touchpoint,
        told.department,
        told.tier,
        told.score,
        expectations.score as expectation,
        count(expectations.score) over (
            partition by
                told.source,
                told.survey,
                told.driver_kind,
                told.driver,
                told.measure,
                told.scale_min,
                told.scale_max
        ) > 0 as is_expected
    from told
    left join expectations
        on
            told.source = expectations.source
            and told.survey = expectations.survey
            and told.driver_kind = expectations.driver_kind
            and told.driver = expectations.driver
            and told.scale_min = expectations.scale_min
            and told.scale_max = expectations.scale_max
            and told.occasion = expectations.occasion
            and told.measure = 'perception'
    where told.measure != 'expectation'
),

-- What was expected; where a survey does not ask, three quarters up the scale: 4 of 5.
aimed as (
    select
        *,
        case
            when is_expected then expectation
            else scale_min + 0.75e0 * (scale_max - scale_min)
        end as target
    from judged
),

placed as (
    {% for view, column in views %}
    select
        '{{ view }}' as view,
        {{ column }} as place,
        {{ driver | join(', ') }},
        person,
        is_expected,
        score,
        target,
        target - score as shortfall
    from aimed
    where target is not null
    {{ "union all" if not loop.last }}
    {% endfor %}
),

by_place as (
    select
        {{ (place + driver) | join(', ') }},
        is_expected,
        count(*) as n,
        {{ exact_sum('score') }} / count(*) as performance_mean,
        {{ exact_sum('target') }} / count(*) as target_mean,
        {{ exact_sum('shortfall') }} / count(*) as shortfall
    from placed
    group by {{ (place + driver) | join(', ') }}, is_expected
),

-- What each person moves the mean by: the answers of one person are not as many as
-- those of several.
moved as (
    select
        {% for column in place + driver %}
        placed.{{ column }},
        {% endfor %}
        placed.person,
        cast(
            (
                {{ exact_sum('placed.shortfall') }}
                - count(*) * max(by_place.shortfall)
            ) / max(by_place.n) as decimal(18, 12)
        ) as moved_by
    from placed
    inner join by_place
        on
            {% for column in place + driver if column != 'driver' %}
            placed.{{ column }} = by_place.{{ column }}
            and
            {% endfor %}
            placed.driver = by_place.driver
    group by
        {% for column in place + driver %}
        placed.{{ column }},
        {% endfor %}
        placed.person
),

spread as (
    select
        {{ (place + driver) | join(', ') }},
        count(*) as person_count,
        sqrt(
            cast(sum(moved_by * moved_by) as double) * count(*)
            / nullif(count(*) - 1, 0)
        ) as standard_error
    from moved
    group by {{ (place + driver) | join(', ') }}
),

weighed as (
    select
        {% for column in place + driver %}
        by_place.{{ column }},
        {% endfor %}
        {% for column in outcome %}
        drivers.{{ column }},
        {% endfor %}
        by_place.is_expected,
        by_place.n,
        spread.person_count,
        spread.person_count >= {{ var('minimum_answers') }} as is_enough,
        by_place.performance_mean,
        by_place.target_mean,
        by_place.shortfall,
        spread.standard_error,
        drivers.share_pct as importance_pct,
        drivers.points_per_point,
        drivers.missing_reason,
        cast(by_place.n as double) / max(by_place.n) over (
            partition by
                {% for column in driver %}
                by_place.{{ column }},
                {% endfor %}
                drivers.outcome,
                drivers.outcome_scale_min,
                drivers.outcome_scale_max
        ) as reach
    from by_place
    inner join spread
        on
            {% for column in place + driver if column != 'driver' %}
            by_place.{{ column }} = spread.{{ column }}
            and
            {% endfor %}
            by_place.driver = spread.driver
    inner join drivers
        on
            {% for column in driver if column != 'driver' %}
            by_place.{{ column }} = drivers.{{ column }}
            and
            {% endfor %}
            by_place.driver = drivers.driver
            -- Tiers weigh differently.
            and case when by_place.view = 'tier' then by_place.place else 'all' end
            = drivers.segment
),

valued as (
    select
        *,
        is_enough and importance_pct is not null as is_valued,
        cast(importance_pct as decimal(18, 12)) as exact_importance,
        cast(shortfall as decimal(18, 12)) as exact_shortfall,
        importance_pct / 100 * shortfall as priority,
        greatest(points_per_point, 0e0) * greatest(shortfall, 0e0) * reach
            as would_bring_points
    from weighed
),

-- Beside the mean of the drivers of the same place. In doubles, equals would not always
-- be as much as their mean.
compared as (
    select
        *,
        exact_importance * count(*) over (partition by {{ here }})
        >= sum(exact_importance) over (partition by {{ here }}) as is_important,
        shortfall > 0
        and exact_shortfall * count(*) over (partition by {{ here }})
        >= sum(exact_shortfall) over (partition by {{ here }}) as is_behind,
        row_number() over (
            partition by {{ (['view', 'is_valued'] + whole) | join(', ') }}
            order by priority desc nulls last, place asc nulls last, {{ ordered }}
        ) as view_position,
        row_number() over (
            partition by {{ here }}
            order by priority desc nulls last, {{ ordered }}
        ) as place_position
    from valued
),

final as (
    select
        source,
        survey,
        outcome,
        outcome_scale_min,
        outcome_scale_max,
        driver_kind,
        view,
        place,
        driver,
        measure,
        scale_min,
        scale_max,
        case when is_expected then 'expectation' else 'mark' end as target_kind,
        case when is_enough then performance_mean end as performance_mean,
        case when is_enough then target_mean end as target_mean,
        case when is_enough then shortfall end as shortfall,
        case when is_enough and person_count > 1 then standard_error end
            as standard_error,
        case
            when is_enough and person_count > 1
                then
                    shortfall
                    - standard_error * {{ student_quantile('(person_count - 1)') }}
        end as interval_low,
        case
            when is_enough and person_count > 1
                then
                    shortfall
                    + standard_error * {{ student_quantile('(person_count - 1)') }}
        end as interval_high,
        importance_pct,
        case when is_valued then priority end as priority,
        cast(case when is_valued then view_position end as bigint) as priority_rank,
        cast(case when is_valued then place_position end as bigint)
            as priority_rank_in_place,
        case when is_valued then would_bring_points end as would_bring_points,
        case
            when not is_valued then null
            when is_important and is_behind then 'improve_first'
            when is_important then 'keep_up'
            when is_behind then 'improve_later'
            else 'leave_as_is'
        end as quadrant,
        100 * reach as reach_pct,
        n,
        person_count,
        case
            when not is_enough then 'fewer than {{ var("minimum_answers") }} persons'
            else missing_reason
        end as missing_reason,
        'importance x shortfall; Student interval of 95 %, persons as clusters'
            as method,
        {{ as_of() }} as as_of_date
    from compared
)

select * from final
