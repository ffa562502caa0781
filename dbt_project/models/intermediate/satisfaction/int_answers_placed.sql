{#- What tells the answers of one occasion apart. -#}
{%- set question = [
    'source', 'survey', 'occasion', 'measure', 'dimension', 'factor', 'scale_min',
    'scale_max'
] -%}
with

identities as (
    select * from {{ ref('identities') }}
),

-- An occasion is a questionnaire. Where none is told, it is what a person answered at
-- one instant.
answers as (
    select
        answers.source,
        coalesce(answers.survey, 'not_stated') as survey,
        coalesce(
            'response ' || answers.response_id,
            'identifier ' || answers.identifier_value || ' '
            || cast(answers.answered_at as string),
            'answer ' || answers.answer_id
        ) as occasion,
        answers.measure,
        nullif(answers.dimension, 'overall') as dimension,
        answers.factor,
        answers.scale_min,
        answers.scale_max,
        answers.score,
        identities.customer_id,
        coalesce(
            'customer ' || identities.customer_id,
            'identifier ' || answers.identifier_value,
            'response ' || answers.response_id,
            'answer ' || answers.answer_id
        ) as person,
        {{ business_date('answers.answered_at') }} as answered_date,
        coalesce(answers.touchpoint, 'not_stated') as touchpoint
    from {{ ref('feed_survey_answers') }} as answers
    left join identities
        on
            answers.identifier_type = identities.identifier_type
            and answers.identifier_value = identities.identifier_value
    where
        answers.score between answers.scale_min and answers.scale_max
        and (
            answers.measure in ('perception', 'expectation')
            or (
                answers.measure in ('csat', 'nps', 'ces')
                and answers.score = floor(answers.score)
            )
        )
),

joined as (
    select
        {{ question | join(', ') }},
        min(customer_id) as customer_id,
        min(person) as person,
        min(answered_date) as answered_date,
        min(touchpoint) as touchpoint,
        {{ exact_sum('score') }} / count(*) as score,
        count(*) as item_count
    from answers
    group by {{ question | join(', ') }}
),

asked as (
    select distinct
        customer_id,
        answered_date
    from joined
    where customer_id is not null
),

tiers as (
    select
        asked.customer_id,
        asked.answered_date,
        memberships.segment as tier
    from asked
    inner join {{ ref('segment_memberships') }} as memberships
        on asked.customer_id = memberships.customer_id
    where
        memberships.scheme = 'tier'
        and memberships.valid_from <= asked.answered_date
        and coalesce(memberships.valid_to >= asked.answered_date, true)
),

cared_for as (
    select
        asked.customer_id,
        asked.answered_date,
        assignments.department,
        row_number() over (
            partition by asked.customer_id, asked.answered_date
            order by
                assignments.valid_from desc nulls last,
                assignments.source asc nulls last,
                assignments.assignment_id asc nulls last
        ) as position
    from {{ ref('feed_assignments') }} as assignments
    inner join identities
        on
            assignments.identifier_type = identities.identifier_type
            and assignments.identifier_value = identities.identifier_value
    inner join asked on identities.customer_id = asked.customer_id
    where
        {{ business_date('assignments.valid_from') }} <= asked.answered_date
        and coalesce(
            {{ business_date('assignments.valid_to') }} > asked.answered_date, true
        )
),

owners as (
    select * from cared_for
    where position = 1
),

final as (
    select
        joined.source,
        joined.survey,
        joined.occasion,
        joined.person,
        joined.customer_id,
        joined.answered_date,
        joined.touchpoint,
        coalesce(owners.department, 'not_stated') as department,
        coalesce(tiers.tier, 'not_known') as tier,
        joined.measure,
        joined.dimension,
        joined.factor,
        joined.scale_min,
        joined.scale_max,
        joined.score,
        joined.item_count
    from joined
    left join tiers
        on
            joined.customer_id = tiers.customer_id
            and joined.answered_date = tiers.answered_date
    left join owners
        on
            joined.customer_id = owners.customer_id
            and joined.answered_date = owners.answered_date
)

select * from final
