with

survey_answers as (
    select
        survey_answers.*,
        {{ standard_of('survey_answers') }} as standard,
        {{ business_date('survey_answers.answered_at') }} as answered_date
    from {{ ref('feed_survey_answers') }} as survey_answers
    where survey_answers.measure is not null
),

identities as (
    select * from {{ ref('identities') }}
    where customer_id is not null
),

customers as (
    select * from {{ ref('customers') }}
),

-- In whose care the customer was then.
cared_for as (
    select
        survey_answers.source,
        survey_answers.answer_id,
        max_by(
            coalesce(assignments.department, 'not_stated'),
            {{ ordering([
                'assignments.valid_from', 'assignments.source',
                'assignments.assignment_id'
            ]) }}
        ) as department
    from {{ ref('feed_assignments') }} as assignments
    inner join identities as cared_for_identities
        on
            assignments.identifier_type = cared_for_identities.identifier_type
            and assignments.identifier_value = cared_for_identities.identifier_value
    inner join identities
        on cared_for_identities.customer_id = identities.customer_id
    inner join survey_answers
        on
            identities.identifier_type = survey_answers.identifier_type
            and identities.identifier_value = survey_answers.identifier_value
    where
        assignments.valid_from <= survey_answers.answered_at
        and survey_answers.answered_at
        < coalesce(assignments.valid_to, {{ as_of_at() }})
    group by survey_answers.source, survey_answers.answer_id
),

final as (
    select
        survey_answers.source,
        survey_answers.answer_id,
        survey_answers.response_id,
        coalesce(survey_answers.survey, 'not_stated') as survey,
        -- The items of a dimension, or of a factor, are one question.
        case
            when coalesce(survey_answers.dimension, survey_answers.factor) is null
                then coalesce(survey_answers.question, 'not_stated')
            else 'all'
        end as question,
        survey_answers.question as wording,
        survey_answers.measure,
        coalesce(survey_answers.dimension, 'overall') as dimension,
        coalesce(survey_answers.factor, 'not_stated') as factor,
        survey_answers.scale_min,
        survey_answers.scale_max,
        survey_answers.standard,
        case
            when {{ is_valid_answer('survey_answers') }} then survey_answers.score
        end as score,
        survey_answers.answered_at,
        survey_answers.answered_date,
        case
            when
                survey_answers.answered_date in ({{ as_of() }}, {{ add_days(
                    add_months(month_of('survey_answers.answered_date'), 1), -1
                ) }})
                then survey_answers.answered_date
            else {{ add_days(month_of('survey_answers.answered_date'), -1) }}
        end as state_on,
        identities.customer_id,
        coalesce(
            'customer ' || identities.customer_id,
            'identifier ' || survey_answers.identifier_value,
            'response ' || survey_answers.source || ' ' || survey_answers.response_id,
            'answer ' || survey_answers.source || ' ' || survey_answers.answer_id
        ) as person,
        coalesce(survey_answers.touchpoint, 'not_stated') as touchpoint,
        coalesce(survey_answers.method, 'not_stated') as survey_method,
        {% for trait in ['region', 'level'] %}
        case
            when identities.customer_id is null then 'unidentified'
            else coalesce(customers.{{ trait }}, 'not_stated')
        end as {{ trait }},
        {% endfor %}
        case
            when identities.customer_id is null then 'unidentified'
            else coalesce(cared_for.department, 'in_nobodys_care')
        end as department
    from survey_answers
    left join identities
        on
            survey_answers.identifier_type = identities.identifier_type
            and survey_answers.identifier_value = identities.identifier_value
    left join customers on identities.customer_id = customers.customer_id
    left join cared_for
        on
            survey_answers.source = cared_for.source
            and survey_answers.answer_id = cared_for.answer_id
)

select * from final
