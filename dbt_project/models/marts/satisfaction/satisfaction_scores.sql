{#- By what the answers are divided. -#}
{%- set breakdowns = {
    'total': {},
    'touchpoint': {'touchpoint': 'touchpoint'},
    'survey_method': {'survey_method': 'survey_method'},
    'rfm_segment': {'segment': 'rfm_segment'},
    'value_type': {'segment': 'value_type'},
    'activity_state': {'segment': 'activity_state'},
    'touchpoint_and_survey_method': {
        'touchpoint': 'touchpoint',
        'survey_method': 'survey_method',
    },
    'touchpoint_and_activity_state': {
        'touchpoint': 'touchpoint',
        'segment': 'activity_state',
    },
} -%}
{#- Length in months. -#}
{%- set period_grains = {'month': 1, 'quarter': 3, 'year': 12} -%}
{#- Questions that have measures of their own: scale, measures with their kind, least
    answer in the top boxes. Any other question or scale has a mean. -#}
{%- set standards = {
    'nps': {'scale': (0, 10), 'measures': {'nps': 'net'}, 'top_box': 9},
    'csat': {
        'scale': (1, 5),
        'measures': {'csat_top_two_pct': 'share', 'csat_mean': 'mean'},
        'top_box': 4,
    },
    'ces': {
        'scale': (1, 7),
        'measures': {'ces_top_three_pct': 'share', 'ces_mean': 'mean'},
        'top_box': 5,
    },
} -%}
{%- set methods = {
    'net': '100 * (promoters - detractors) / all valid answers;'
        ~ ' normal interval of 95 %',
    'share': '100 * top boxes / all valid answers; Wilson interval of 95 %',
    'mean': 'mean of all valid answers; Student interval of 95 %',
} -%}
{%- set sums = [
    'n', 'invalid_count', 'promoter_count', 'passive_count', 'detractor_count',
    'top_box_count', 'score_sum', 'score_square_sum'
] -%}
{%- set parts = ['touchpoint', 'survey_method', 'segment'] -%}
{%- set question = ['question_kind', 'standard', 'scale_min', 'scale_max', 'dimension']
-%}
with

survey_answers as (
    select
        identifier_type,
        identifier_value,
        {{ business_date('answered_at') }} as answered_date,
        measure as question_kind,
        case
            {% for kind, standard in standards.items() %}
            when
                measure = '{{ kind }}'
                and scale_min = {{ standard.scale[0] }}
                and scale_max = {{ standard.scale[1] }}
                then '{{ kind }}'
            {% endfor %}
            else 'other'
        end as standard,
        scale_min,
        scale_max,
        score,
        coalesce(dimension, 'overall') as dimension,
        coalesce(touchpoint, 'not_stated') as touchpoint,
        coalesce(method, 'not_stated') as survey_method
    from {{ ref('feed_survey_answers') }}
    where measure is not null
),

identities as (
    select * from {{ ref('identities') }}
),

rfm_scores as (
    select
        customer_id,
        segment as rfm_segment,
        value_type
    from {{ ref('rfm_scores') }}
),

activity_states as (
    select
        customer_id,
        state as activity_state
    from {{ ref('activity_states') }}
),

answers_judged as (
    select
        {{ month_of('survey_answers.answered_date') }} as answered_month,
        {% for column in question %}
        survey_answers.{{ column }},
        {% endfor %}
        survey_answers.touchpoint,
        survey_answers.survey_method,
        {% for scheme in ['rfm_segment', 'value_type'] %}
        {{ segment_name(
            '(identities.customer_id is not null)',
            'rfm_scores.' ~ scheme,
            'activity_states.activity_state',
        ) }} as {{ scheme }},
        {% endfor %}
        coalesce(activity_states.activity_state, 'unidentified') as activity_state,
        case
            when
                survey_answers.score between
                survey_answers.scale_min and survey_answers.scale_max
                and (
                    survey_answers.standard = 'other'
                    or survey_answers.score = floor(survey_answers.score)
                )
                then survey_answers.score
        end as valid_score,
        case survey_answers.standard
            {% for kind, standard in standards.items() %}
            when '{{ kind }}' then {{ standard.top_box }}
            {% endfor %}
        end as top_box
    from survey_answers
    left join identities
        on
            survey_answers.identifier_type = identities.identifier_type
            and survey_answers.identifier_value = identities.identifier_value
    left join rfm_scores on identities.customer_id = rfm_scores.customer_id
    left join activity_states on identities.customer_id = activity_states.customer_id
),

cells as (
    select
        answered_month,
        {% for column in question %}
        {{ column }},
        {% endfor %}
        touchpoint,
        survey_method,
        rfm_segment,
        value_type,
        activity_state,
        count(valid_score) as n,
        count(*) - count(valid_score) as invalid_count,
        count(*) filter (where standard = 'nps' and valid_score >= 9)
            as promoter_count,
        count(*) filter (where standard = 'nps' and valid_score between 7 and 8)
            as passive_count,
        count(*) filter (where standard = 'nps' and valid_score <= 6)
            as detractor_count,
        count(*) filter (where valid_score >= top_box) as top_box_count,
        sum(valid_score) as score_sum,
        sum(valid_score * valid_score) as score_square_sum,
        min(valid_score) as lowest_score,
        max(valid_score) as highest_score
    from answers_judged
    group by
        answered_month,
        {% for column in question %}
        {{ column }},
        {% endfor %}
        touchpoint,
        survey_method,
        rfm_segment,
        value_type,
        activity_state
),

broken_down as (
    {% for breakdown, columns in breakdowns.items() %}
    select
        '{{ breakdown }}' as breakdown,
        {% for part in parts %}
        {{ columns.get(part, "'all'") }} as {{ part }},
        {% endfor %}
        answered_month,
        {% for column in question %}
        {{ column }},
        {% endfor %}
        {% for column in sums %}
        sum({{ column }}) as {{ column }},
        {% endfor %}
        min(lowest_score) as lowest_score,
        max(highest_score) as highest_score
    from cells
    group by
        {% for column in columns.values() %}
        {{ column }},
        {% endfor %}
        {% for column in question %}
        {{ column }},
        {% endfor %}
        answered_month
    {{ "union all" if not loop.last }}
    {% endfor %}
),

periods as (
    {% for period_grain, months in period_grains.items() %}
    select distinct
        '{{ period_grain }}' as period_grain,
        answered_month,
        cast(date_trunc('{{ period_grain }}', answered_month) as date) as period_start,
        {{ add_days(
            add_months("date_trunc('" ~ period_grain ~ "', answered_month)", months),
            -1
        ) }} as period_end
    from cells
    union all
    {% endfor %}
    select distinct
        'all' as period_grain,
        cells.answered_month,
        (select min(survey_answers.answered_date) from survey_answers)
            as period_start,
        {{ as_of() }} as period_end
    from cells
),

summed as (
    select
        periods.period_grain,
        periods.period_start,
        periods.period_end,
        broken_down.breakdown,
        broken_down.touchpoint,
        broken_down.survey_method,
        broken_down.segment,
        {% for column in question %}
        broken_down.{{ column }},
        {% endfor %}
        {% for column in sums %}
        sum(broken_down.{{ column }}) as {{ column }},
        {% endfor %}
        min(broken_down.lowest_score) as lowest_score,
        max(broken_down.highest_score) as highest_score
    from broken_down
    inner join periods on broken_down.answered_month = periods.answered_month
    group by
        periods.period_grain,
        periods.period_start,
        periods.period_end,
        broken_down.breakdown,
        broken_down.touchpoint,
        broken_down.survey_method,
        {% for column in question %}
        broken_down.{{ column }},
        {% endfor %}
        broken_down.segment
),

measures as (
    {% for kind, standard in standards.items() %}
    {% for measure, kind_of_score in standard.measures.items() %}
    select
        '{{ kind }}' as standard,
        '{{ measure }}' as measure,
        '{{ kind_of_score }}' as kind_of_score,
        '{{ methods[kind_of_score] }}' as method
    union all
    {% endfor %}
    {% endfor %}
    select
        'other' as standard,
        cast(null as string) as measure,
        'mean' as kind_of_score,
        '{{ methods["mean"] }}' as method
),

measured as (
    select
        summed.period_grain,
        summed.period_start,
        summed.period_end,
        summed.breakdown,
        summed.touchpoint,
        summed.survey_method,
        summed.segment,
        {% for column in question %}
        summed.{{ column }},
        {% endfor %}
        {% for column in sums %}
        summed.{{ column }},
        {% endfor %}
        coalesce(
            measures.measure,
            summed.question_kind
            || '_mean_' || {{ written('summed.scale_min') }}
            || '_to_' || {{ written('summed.scale_max') }},
            summed.question_kind || '_mean'
        ) as measure,
        measures.kind_of_score,
        measures.method,
        summed.lowest_score,
        summed.highest_score,
        nullif(cast(summed.n as double), 0) as answers
    from summed
    inner join measures on summed.standard = measures.standard
),

-- In hundredths for 'net' and 'share', in points of the scale for 'mean'.
estimated as (
    select
        *,
        case kind_of_score
            when 'net' then (promoter_count - detractor_count) / answers
            when 'share' then top_box_count / answers
            -- Rounding may bring the mean of equal answers beside them.
            else greatest(least(score_sum / answers, highest_score), lowest_score)
        end as estimate,
        case kind_of_score
            when 'net'
                then
                    (promoter_count + detractor_count) / answers
                    - power((promoter_count - detractor_count) / answers, 2)
            when 'share'
                then top_box_count / answers * (1 - top_box_count / answers)
            -- Rounding may bring the difference of two equal numbers below 0.
            else
                greatest(score_square_sum - score_sum * score_sum / answers, 0)
                / nullif(answers - 1, 0)
        end as variance,
        case kind_of_score
            when 'mean' then {{ student_quantile('nullif(answers - 1, 0)') }}
            else {{ normal_quantile() }}
        end as quantile,
        case kind_of_score when 'mean' then scale_min else -1 end as lowest_possible,
        case kind_of_score when 'mean' then scale_max else 1 end as highest_possible,
        case kind_of_score when 'mean' then 1 else 100 end as factor
    from measured
),

bounded as (
    select
        *,
        case kind_of_score
            -- Rounding may bring a bound beside a share of 0 or 1.
            when 'share'
                then least({{ wilson_bound('estimate', 'answers', '-') }}, estimate)
            else estimate - quantile * sqrt(variance / answers)
        end as lower_bound,
        case kind_of_score
            when 'share'
                then greatest({{ wilson_bound('estimate', 'answers', '+') }}, estimate)
            else estimate + quantile * sqrt(variance / answers)
        end as upper_bound,
        n >= {{ var('minimum_answers') }} as has_score,
        -- Where all answers are equal, no error can be estimated from their spread.
        n >= {{ var('minimum_answers') }}
        and case kind_of_score
            when 'net' then variance > 0
            when 'mean' then lowest_score < highest_score
            else true
        end as has_interval
    from estimated
),

final as (
    select
        bounded.period_grain,
        bounded.period_start,
        bounded.period_end,
        bounded.period_end <= {{ as_of() }} as is_complete,
        bounded.breakdown,
        bounded.touchpoint,
        bounded.survey_method,
        bounded.segment,
        bounded.dimension,
        bounded.measure,
        bounded.scale_min,
        bounded.scale_max,
        cast(bounded.n as bigint) as n,
        cast(bounded.invalid_count as bigint) as invalid_count,
        {% for column in ['promoter_count', 'passive_count', 'detractor_count'] %}
        case when bounded.standard = 'nps' then cast(bounded.{{ column }} as bigint) end
            as {{ column }},
        {% endfor %}
        case
            when bounded.standard in ('csat', 'ces')
                then cast(bounded.top_box_count as bigint)
        end as top_box_count,
        coalesce(bounded.score_sum, 0) as score_sum,
        coalesce(bounded.score_square_sum, 0) as score_square_sum,
        case when bounded.has_score then bounded.factor * bounded.estimate end as score,
        case
            when bounded.has_interval
                then bounded.factor * sqrt(bounded.variance / bounded.answers)
        end as standard_error,
        case
            when bounded.has_interval
                then
                    bounded.factor
                    * greatest(bounded.lower_bound, bounded.lowest_possible)
        end as interval_low,
        case
            when bounded.has_interval
                then
                    bounded.factor
                    * least(bounded.upper_bound, bounded.highest_possible)
        end as interval_high,
        case
            when bounded.n = 0 then 'no valid answer'
            when not bounded.has_score
                then 'fewer than {{ var("minimum_answers") }} valid answers'
            when not bounded.has_interval
                then 'no interval: all answers alike'
        end as missing_reason,
        bounded.method,
        cast(1 as bigint) as definition_version,
        bounded.period_start as window_start,
        least(bounded.period_end, {{ as_of() }}) as window_end,
        {{ as_of() }} as as_of_date
    from bounded
)

select * from final
