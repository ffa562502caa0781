{#- What tells the answers of one occasion apart. -#}
{%- set question = [
    'source', 'survey', 'occasion', 'measure', 'dimension', 'factor', 'scale_min',
    'scale_max'
] -%}
with

-- An occasion is a questionnaire. Where none is told, it is what a person answered at
-- one instant.
answers as (
    select
        source,
        survey,
        case
            when response_id is not null then 'response ' || response_id
            else person || ' ' || cast(answered_at as string)
        end as occasion,
        measure,
        nullif(dimension, 'overall') as dimension,
        nullif(factor, 'not_stated') as factor,
        scale_min,
        scale_max,
        score,
        customer_id,
        person,
        answered_date,
        touchpoint,
        department
    from {{ ref('int_answers_judged') }}
    where
        measure in ('csat', 'nps', 'ces', 'perception', 'expectation')
        and score is not null
),

joined as (
    select
        {{ question | join(', ') }},
        min(customer_id) as customer_id,
        min(person) as person,
        min(answered_date) as answered_date,
        min(touchpoint) as touchpoint,
        min(department) as department,
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

final as (
    select
        joined.source,
        joined.survey,
        joined.occasion,
        joined.person,
        joined.customer_id,
        joined.answered_date,
        joined.touchpoint,
        joined.department,
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
)

select * from final
