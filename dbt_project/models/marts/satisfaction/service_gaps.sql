{#- Each questionnaire counts once in each. -#}
{%- set views = [
    ('all', "'all'", "'all'"),
    ('all', 'touchpoint', "'all'"),
    ('all', "'all'", 'segment'),
    ('year', "'all'", "'all'"),
    ('year', 'touchpoint', "'all'"),
    ('year', "'all'", 'segment'),
] -%}
{%- set scale = ['source', 'survey', 'scale_min', 'scale_max'] -%}
{%- set part = ['period_grain', 'period_start', 'touchpoint', 'segment'] -%}
with

-- An item is the question without the word of its measure.
answers as (
    select
        *,
        trim(
            replace(
                replace(
                    replace(lower(coalesce(wording, '')), 'perception', ''),
                    'expectation', ''
                ),
                'importance', ''
            )
        ) as item
    from {{ ref('int_answers_judged') }}
    where
        measure in ('perception', 'expectation', 'importance')
        and score is not null
),

segments as (
    {{ weighted_segments() }}
),

weights as (
    {{ declared_weights() }}
),

-- One row per item of a questionnaire. Where none is told, it is what a person answered
-- at one instant.
items as (
    select
        answers.source,
        answers.survey,
        answers.dimension,
        answers.scale_min,
        answers.scale_max,
        answers.item,
        coalesce(answers.response_id, answers.person) as respondent,
        case when answers.response_id is null then answers.answered_at end
            as responded_at,
        min(answers.answered_date) as answered_date,
        min(answers.touchpoint) as touchpoint,
        min(
            case
                when answers.customer_id is null then 'unidentified'
                else coalesce(segments.segment, 'not_yet_known')
            end
        ) as segment,
        min(answers.person) as person,
        avg(case when answers.measure = 'perception' then answers.score end)
            as perception,
        avg(case when answers.measure = 'expectation' then answers.score end)
            as expectation,
        avg(case when answers.measure = 'importance' then answers.score end)
            as importance
    from answers
    left join segments
        on
            answers.customer_id = segments.customer_id
            and answers.state_on = segments.state_on
    group by
        answers.source,
        answers.survey,
        answers.dimension,
        answers.scale_min,
        answers.scale_max,
        answers.item,
        coalesce(answers.response_id, answers.person),
        case when answers.response_id is null then answers.answered_at end
),

placed as (
    {% for period_grain, touchpoint, segment in views %}
    select
        '{{ period_grain }}' as period_grain,
        {% if period_grain == 'all' %}
        min(answered_date) over () as period_start,
        {% else %}
        cast(date_trunc('year', answered_date) as date) as period_start,
        {% endif %}
        {{ touchpoint }} as touchpoint,
        {{ segment }} as segment,
        source,
        survey,
        dimension,
        scale_min,
        scale_max,
        person,
        perception,
        expectation,
        importance,
        perception - expectation as gap
    from items
    {{ "union all" if not loop.last }}
    {% endfor %}
),

by_dimension as (
    select
        {{ (part + scale) | join(', ') }},
        dimension,
        count(gap) as n,
        count(*) filter (
            where gap is null and coalesce(perception, expectation) is not null
        ) as unpaired_count,
        {{ exact_sum('case when gap is not null then perception end') }}
        / nullif(count(gap), 0) as perception_mean,
        {{ exact_sum('case when gap is not null then expectation end') }}
        / nullif(count(gap), 0) as expectation_mean,
        {{ exact_sum('gap') }} / nullif(count(gap), 0) as gap,
        case
            when
                count(distinct case when importance is not null then person end)
                >= {{ var('minimum_answers') }}
                then {{ exact_sum('importance') }} / count(importance)
        end as importance_mean
    from placed
    group by {{ (part + scale) | join(', ') }}, dimension
),

weighed as (
    select
        by_dimension.*,
        coalesce(own.weight, whole.weight) as weight
    from by_dimension
    left join weights as own
        on by_dimension.segment = own.segment and by_dimension.dimension = own.name
    left join weights as whole
        on whole.segment = 'all' and by_dimension.dimension = whole.name
),

shared as (
    select
        *,
        case
            when
                count(importance_mean) over (
                    partition by {{ (part + scale) | join(', ') }}
                ) = count(*) over (partition by {{ (part + scale) | join(', ') }})
                then
                    importance_mean / nullif(
                        sum(cast(importance_mean as decimal(18, 12))) over (
                            partition by {{ (part + scale) | join(', ') }}
                        ), 0
                    )
        end as importance_share,
        count(*) over (partition by {{ (part + scale) | join(', ') }})
            as dimension_count,
        min(n) over (partition by {{ (part + scale) | join(', ') }}) as least_n
    from weighed
),

-- What each person moves the mean of a dimension by: the answers of one person are not
-- as many as those of several.
moved as (
    select
        {% for column in part + scale %}
        placed.{{ column }},
        {% endfor %}
        placed.dimension,
        placed.person,
        cast(
            ({{ exact_sum('placed.gap') }} - count(*) * max(shared.gap))
            / max(shared.n) as decimal(18, 12)
        ) as moved_by
    from placed
    inner join shared
        on
            {% for column in part + scale %}
            placed.{{ column }} = shared.{{ column }}
            and
            {% endfor %}
            placed.dimension = shared.dimension
    where placed.gap is not null
    group by
        {% for column in part + scale %}
        placed.{{ column }},
        {% endfor %}
        placed.dimension,
        placed.person
),

persons as (
    select
        {{ (part + scale) | join(', ') }},
        dimension,
        person,
        moved_by
    from moved
    union all
    select
        {{ (part + scale) | join(', ') }},
        'total' as dimension,
        person,
        cast(sum(moved_by) as decimal(18, 12)) as moved_by
    from moved
    group by {{ (part + scale) | join(', ') }}, person
),

spread as (
    select
        {{ (part + scale) | join(', ') }},
        dimension,
        count(*) as person_count,
        cast(sum(moved_by * moved_by) as double) as moved_square_sum
    from persons
    group by {{ (part + scale) | join(', ') }}, dimension
),

gaps as (
    select
        {{ (part + scale) | join(', ') }},
        dimension,
        n,
        unpaired_count,
        1 as dimension_count,
        n as least_n,
        perception_mean,
        expectation_mean,
        gap,
        importance_mean,
        importance_share,
        weight,
        cast(null as double) as weighted_gap,
        cast(null as string) as weighted_by
    from shared
    union all
    select
        {{ (part + scale) | join(', ') }},
        'total' as dimension,
        cast(sum(n) as bigint) as n,
        cast(sum(unpaired_count) as bigint) as unpaired_count,
        max(dimension_count) as dimension_count,
        max(least_n) as least_n,
        case
            when max(least_n) > 0 then {{ exact_sum('perception_mean') }} / count(*)
        end as perception_mean,
        case
            when max(least_n) > 0 then {{ exact_sum('expectation_mean') }} / count(*)
        end as expectation_mean,
        case when max(least_n) > 0 then {{ exact_sum('gap') }} / count(*) end as gap,
        {{ exact_sum('importance_mean') }} / nullif(count(importance_mean), 0)
            as importance_mean,
        {{ exact_sum('importance_share') }} as importance_share,
        {{ exact_sum('weight') }} as weight,
        case
            when max(least_n) = 0 then null
            when count(weight) = count(*)
                then
                    {{ exact_sum('weight * gap') }}
                    / nullif({{ exact_sum('weight') }}, 0)
            when count(weight) = 0 and count(importance_share) = count(*)
                then {{ exact_sum('importance_share * gap') }}
        end as weighted_gap,
        case
            when count(weight) = count(*)
                then 'weights of company.yml, version {{ var("weights_version") }}'
            when count(weight) > 0 then 'company.yml weighs not all of the dimensions'
            when count(importance_share) = count(*)
                then 'importance that the survey asks for'
        end as weighted_by
    from shared
    group by {{ (part + scale) | join(', ') }}
    having count(*) > 1
),

judged as (
    select
        gaps.*,
        coalesce(spread.person_count, 0) as person_count,
        coalesce(spread.person_count, 0) >= {{ var('minimum_answers') }}
        and gaps.least_n > 0 as is_enough,
        -- Where all are alike nothing is known of how they differ.
        nullif(
            sqrt(
                spread.moved_square_sum * spread.person_count
                / nullif(spread.person_count - 1, 0)
            ) / gaps.dimension_count, 0
        ) as standard_error
    from gaps
    left join spread
        on
            {% for column in part + scale %}
            gaps.{{ column }} = spread.{{ column }}
            and
            {% endfor %}
            gaps.dimension = spread.dimension
),

final as (
    select
        period_grain,
        period_start,
        {{ end_of_year_or_all() }} as period_end,
        {{ end_of_year_or_all() }} <= {{ as_of() }} as is_complete,
        source,
        survey,
        scale_min,
        scale_max,
        touchpoint,
        segment,
        dimension,
        n,
        person_count,
        unpaired_count,
        case when is_enough then perception_mean end as perception_mean,
        case when is_enough then expectation_mean end as expectation_mean,
        case when is_enough then gap end as gap,
        case when is_enough then standard_error end as standard_error,
        case
            when is_enough
                then
                    gap
                    - standard_error
                    * {{ student_quantile('nullif(person_count - 1, 0)') }}
        end as interval_low,
        case
            when is_enough
                then
                    gap
                    + standard_error
                    * {{ student_quantile('nullif(person_count - 1, 0)') }}
        end as interval_high,
        importance_mean,
        importance_share,
        weight,
        case when is_enough then weighted_gap end as weighted_gap,
        weighted_by,
        case
            when is_enough then null
            when least_n = 0 and n > 0 then 'a dimension without pairs'
            when n = 0 then 'no item with both perception and expectation'
            else 'fewer than {{ var("minimum_answers") }} persons'
        end as missing_reason,
        'perception - expectation of one item of one questionnaire;'
        || ' Student interval of 95 %, persons as clusters' as method,
        {{ as_of() }} as as_of_date
    from judged
)

select * from final
