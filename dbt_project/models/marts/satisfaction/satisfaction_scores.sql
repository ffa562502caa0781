{#- Questions that have measures of their own: their kinds, least answer of the top
    boxes. Any other has a mean. -#}
{%- set standards = {
    'nps': [{'nps': 'net'}, 9],
    'csat': [{'csat_top_two_pct': 'share', 'csat_mean': 'mean'}, 4],
    'ces': [{'ces_top_three_pct': 'share', 'ces_mean': 'mean'}, 5],
} -%}
{%- set asked = [
    'source', 'survey', 'question', 'measure', 'dimension', 'factor', 'scale_min',
    'scale_max'
] -%}
{#- By what answers are divided: a column each. -#}
{%- set schemes = var('schemes') -%}
{%- set traits = ['touchpoint', 'survey_method', 'region', 'level', 'department'] -%}
{%- set in_schemes = 'in_' ~ range(1, schemes | length + 1) | join(', in_') -%}
{%- set parts = traits | join(', ') ~ ', ' ~ in_schemes -%}
{%- set cell = ['question_id', 'measure', 'kind', 'answers', 'breakdown', 'part'] -%}
{%- set period = ['period_grain', 'period_start', 'period_end'] -%}
{%- set row = (cell + period) | join(', ') -%}
with

answers as (
    select
        *,
        {{ month_of('answered_date') }} as answered_month,
        dense_rank() over (order by {{ asked | join(' nulls last, ') }} nulls last)
            as question_id
    from {{ ref('int_answers_judged') }}
),

segments as (
    select
        {% for scheme in schemes %}
        {{ segment_of(scheme) }} as in_{{ loop.index }},
        {% endfor %}
        customer_id,
        state_on
    from {{ ref('int_customer_states') }}
),

-- Whoever answered a question once need not be kept apart.
divided as (
    select
        answers.question_id,
        answers.standard,
        answers.answered_month,
        cast(answers.score as decimal(18, 9)) as score,
        lead(answers.answered_month) over of_person as next_month,
        case
            when
                lead(answers.answered_month) over of_person is not null
                or lag(answers.answered_month) over of_person is not null
                then answers.person
        end as repeated_person,
        {% for scheme in schemes %}
        case
            when answers.customer_id is null then 'unidentified'
            else coalesce(segments.in_{{ loop.index }}, 'not_yet_known')
        end as in_{{ loop.index }},
        {% endfor %}
        {{ traits | join(', ') }}
    from answers
    left join segments
        on
            answers.customer_id = segments.customer_id
            and answers.state_on = segments.state_on
    window of_person as (
        partition by answers.question_id, answers.person, answers.score is null
        order by answers.answered_at nulls last, answers.answer_id nulls last
    )
),

measures as (
    {% for standard, (measures, top_box) in standards.items() %}
    {% for measure, kind in measures.items() %}
    select
        '{{ standard }}' as standard,
        '{{ measure }}' as measure,
        '{{ kind }}' as kind,
        {{ top_box }} as top_box
    union all
    {% endfor %}
    {% endfor %}
    select
        'other' as standard,
        'mean' as measure,
        'mean' as kind,
        0 as top_box
),

valued as (
    select
        measures.measure,
        measures.kind,
        case
            when measures.kind = 'mean' or divided.score is null then divided.score
            when divided.score >= measures.top_box then 1
            when measures.kind = 'net' and divided.score <= 6 then -1
            else 0
        end as number,
        divided.question_id,
        divided.answered_month,
        divided.next_month,
        divided.repeated_person,
        {{ parts }}
    from divided
    inner join measures on divided.standard = measures.standard
),

-- As few rows as tell periods, parts and persons apart.
cells as (
    {% for answers, kept in [
        ('all', 'repeated_person'), ('last_of_person', 'next_month')
    ] %}
    select
        question_id,
        measure,
        kind,
        '{{ answers }}' as answers,
        answered_month,
        {{ kept if kept == 'next_month' else 'cast(null as date)' }} as next_month,
        {{ kept if kept != 'next_month' else 'cast(null as string)' }}
            as repeated_person,
        {{ parts }},
        count(number) as n,
        count(*) - count(number) as invalid_count,
        sum(number) as total,
        sum(number * number) as square_total,
        min(number) as lowest,
        max(number) as highest
    from valued
    {% if kept == 'next_month' %}
    where coalesce(next_month != answered_month, true)
    {% endif %}
    group by question_id, measure, kind, answered_month, {{ kept }}, {{ parts }}
    {{ "union all" if not loop.last }}
    {% endfor %}
),

placed as (
    {% for trait in traits %}
    select
        *,
        '{{ trait }}' as breakdown,
        {{ trait }} as part
    from cells
    union all
    {% endfor %}
    {% for scheme in schemes %}
    select
        *,
        'segment_{{ scheme.name }}' as breakdown,
        in_{{ loop.index }} as part
    from cells
    union all
    {% endfor %}
    select
        *,
        'total' as breakdown,
        'all' as part
    from cells
),

periods as (
    {% for grain, months in {'month': 1, 'quarter': 3, 'year': 12}.items() %}
    select distinct
        '{{ grain }}' as period_grain,
        answered_month,
        cast(date_trunc('{{ grain }}', answered_month) as date) as period_start,
        {{ add_days(
            add_months("date_trunc('" ~ grain ~ "', answered_month)", months), -1
        ) }} as period_end
    from answers
    union all
    {% endfor %}
    select distinct
        'all' as period_grain,
        answered_month,
        (select min(earliest.answered_date) from answers as earliest)
            as period_start,
        {{ as_of() }} as period_end
    from answers
),

by_person as (
    select
        {% for column in cell %}
        placed.{{ column }},
        {% endfor %}
        {% for column in period %}
        periods.{{ column }},
        {% endfor %}
        placed.repeated_person,
        sum(placed.n) as n,
        sum(placed.invalid_count) as invalid_count,
        sum(placed.total) as total,
        sum(placed.square_total) as square_total,
        min(placed.lowest) as lowest,
        max(placed.highest) as highest
    from placed
    inner join periods on placed.answered_month = periods.answered_month
    where
        coalesce(placed.next_month > periods.period_end, true)
        and (
            periods.period_grain in ('year', 'all')
            or placed.breakdown in ('total', 'touchpoint')
        )
    group by
        {% for column in cell %}
        placed.{{ column }},
        {% endfor %}
        {% for column in period %}
        periods.{{ column }},
        {% endfor %}
        placed.repeated_person
),

-- Of each person the square of their total, their total times their answers, and the
-- square of their answers; whoever answered once stands in a row with others.
summed as (
    select
        {{ row }},
        cast(sum(n) as bigint) as n,
        cast(sum(invalid_count) as bigint) as invalid_count,
        cast(sum(total) as double) as total,
        cast(sum(square_total) as double) as square_total,
        cast(min(lowest) as double) as lowest,
        cast(max(highest) as double) as highest,
        {% for name, single, repeated in [
            ('person_square_total', 'square_total', 'cast(total as decimal(18, 9))'),
            ('person_product_total', 'total', 'n'),
        ] %}
        cast(
            sum(
                case
                    when repeated_person is null then {{ single }}
                    else {{ repeated }} * cast(total as decimal(18, 9))
                end
            ) as double
        ) as {{ name }},
        {% endfor %}
        cast(sum(case when repeated_person is null then n else n * n end) as double)
            as person_n_square_total,
        cast(
            sum(case when repeated_person is null then n else least(n, 1) end) as bigint
        ) as person_count
    from by_person
    group by {{ row }}
),

-- Rounding may bring the mean of equal answers beside them, and a difference of equal
-- numbers below 0.
estimated as (
    select
        *,
        n >= {{ var('minimum_answers') }} as has_score,
        case kind when 'mean' then 1 else 100 end as factor,
        cast(nullif(n, 0) as double) as answer_count,
        greatest(least(total / nullif(n, 0), highest), lowest) as estimate,
        greatest(square_total / nullif(n, 0) - power(total / nullif(n, 0), 2), 0)
            as variance,
        greatest(
            person_square_total
            - 2 * total / nullif(n, 0) * person_product_total
            + power(total / nullif(n, 0), 2) * person_n_square_total,
            0
        ) / nullif(n, 0) * person_count / nullif(person_count - 1, 0) as person_variance
    from summed
),

-- How many times the variance of independent answers that of these persons is. Answers
-- that are all alike do not tell it.
spread as (
    select
        *,
        case
            when n > 1 and person_count = n then 1
            when highest > lowest
                then
                    nullif(person_variance, 0)
                    / (variance * answer_count / nullif(answer_count - 1, 0))
        end as design_effect
    from estimated
),

bounded as (
    select
        *,
        person_count >= {{ var('minimum_answers') }}
        and has_score
        and (kind = 'share' or highest > lowest) as has_interval,
        case
            when design_effect is null then cast(person_count as double)
            else answer_count / greatest(design_effect, 1)
        end as effective_n,
        sqrt(
            variance
            / case
                when kind = 'mean' then nullif(answer_count - 1, 0) else answer_count
            end
            * coalesce(design_effect, 1)
        ) as deviation,
        case kind
            when 'mean' then {{ student_quantile('nullif(person_count - 1, 0)') }}
            else {{ normal_quantile() }}
        end as quantile
    from spread
),

questions as (
    select distinct
        question_id,
        {{ asked | join(', ') }}
    from answers
),

final as (
    select
        bounded.period_grain,
        bounded.period_start,
        bounded.period_end,
        bounded.period_end <= {{ as_of() }} as is_complete,
        {% for column in asked if column != 'measure' %}
        questions.{{ column }},
        {% endfor %}
        case bounded.measure
            when 'mean'
                then
                    questions.measure || '_mean' || coalesce(
                        '_' || {{ written('questions.scale_min') }}
                        || '_to_' || {{ written('questions.scale_max') }},
                        '_of_no_scale'
                    )
            else bounded.measure
        end as measure,
        bounded.breakdown,
        bounded.part,
        bounded.answers,
        bounded.n,
        bounded.person_count,
        bounded.invalid_count,
        {% for counted, name in {
            'bounded.square_total + bounded.total': 'promoter_count',
            '2 * (bounded.n - bounded.square_total)': 'passive_count',
            'bounded.square_total - bounded.total': 'detractor_count',
        }.items() %}
        case
            when bounded.kind = 'net'
                then cast(round(coalesce({{ counted }}, 0) / 2) as bigint)
        end as {{ name }},
        {% endfor %}
        case
            when bounded.kind = 'share'
                then cast(round(coalesce(bounded.total, 0)) as bigint)
        end as top_box_count,
        case when bounded.kind = 'mean' then coalesce(bounded.total, 0) end
            as score_sum,
        case when bounded.has_score then bounded.factor * bounded.estimate end
            as score,
        case when bounded.has_interval then bounded.factor * bounded.deviation end
            as standard_error,
        case when bounded.has_interval then bounded.design_effect end as design_effect,
        {% for bound, sign, inner, outer, end in [
            ('interval_low', '-', 'least', 'greatest', 'scale_min'),
            ('interval_high', '+', 'greatest', 'least', 'scale_max'),
        ] %}
        case
            when not bounded.has_interval then null
            when bounded.kind = 'share'
                then
                    100 * {{ inner }}(
                        bounded.estimate,
                        {{ wilson_bound(
                            'bounded.estimate', 'bounded.effective_n', sign
                        ) }}
                    )
            else
                {{ outer }}(
                    bounded.factor
                    * (
                        bounded.estimate
                        {{ sign }} bounded.quantile * bounded.deviation
                    ),
                    case bounded.kind
                        when 'net' then {{ sign }}100 else questions.{{ end }}
                    end
                )
        end as {{ bound }},
        {% endfor %}
        case
            when bounded.n = 0 then 'no valid answer'
            when not bounded.has_score
                then 'fewer than {{ var("minimum_answers") }} valid answers'
            when bounded.has_interval then null
            when bounded.person_count < {{ var("minimum_answers") }}
                then 'no interval: fewer than {{ var("minimum_answers") }} persons'
            else 'no interval: all answers alike'
        end as missing_reason,
        case bounded.kind
            when 'net'
                then
                    '100 * (promoters - detractors) / valid answers; normal interval of'
                    || ' 95 %, persons as clusters'
            when 'share'
                then
                    '100 * top boxes / valid answers; Wilson interval of 95 % with'
                    || ' design effect, persons as clusters'
            else
                'mean of valid answers; Student interval of 95 %, persons as clusters'
        end as method,
        cast(2 as bigint) as definition_version,
        bounded.period_start as window_start,
        least(bounded.period_end, {{ as_of() }}) as window_end,
        {{ as_of() }} as as_of_date
    from bounded
    inner join questions on bounded.question_id = questions.question_id
)

select * from final
