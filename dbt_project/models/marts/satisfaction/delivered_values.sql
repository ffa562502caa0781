{%- set totals = {
    'total_value': ['product_value', 'service_value', 'personnel_value', 'image_value'],
    'total_cost': ['monetary_cost', 'time_cost', 'energy_cost', 'psychic_cost'],
} -%}
{%- set parts = totals.total_value + totals.total_cost -%}
{%- set asked = [
    'source', 'survey', 'scale_min', 'scale_max', 'period_grain', 'period_start'
] -%}
{%- set sums = ((parts + (totals | list)) | join(', ')) -%}
with

answers as (
    select
        *,
        replace(lower(dimension), ' ', '_') as about
    from {{ ref('int_answers_judged') }}
    where score is not null
),

told as (
    {{ told_parts() }}
),

segments as (
    {{ weighted_segments() }}
),

declared as (
    {{ declared_weights() }}
),

weights as (
    select
        {% for part in parts %}
        max(case when name = '{{ part }}' then weight end) as {{ part }},
        {% endfor %}
        segment
    from declared
    group by segment
),

-- What is told by how little of it there is, is turned round on its scale.
turned as (
    select
        answers.source,
        answers.survey,
        answers.scale_min,
        answers.scale_max,
        answers.answered_date,
        answers.answered_at,
        answers.answer_id,
        answers.customer_id,
        answers.person,
        told.part,
        case
            when told.is_reversed
                then answers.scale_min + answers.scale_max - answers.score
            else answers.score
        end as score,
        case
            when answers.customer_id is null then 'unidentified'
            else coalesce(segments.segment, 'not_yet_known')
        end as segment
    from answers
    inner join told
        on answers.measure = told.measure and answers.about = told.dimension
    left join segments
        on
            answers.customer_id = segments.customer_id
            and answers.state_on = segments.state_on
),

placed as (
    select
        *,
        'all' as period_grain,
        min(answered_date) over () as period_start
    from turned
    union all
    select
        *,
        'year' as period_grain,
        cast(date_trunc('year', answered_date) as date) as period_start
    from turned
),

-- Who told a part several times told their mean of it. The segment is the last one.
persons as (
    select
        {% for part in parts %}
        {{ exact_sum("case when part = '" ~ part ~ "' then score end") }}
        / nullif(count(case when part = '{{ part }}' then score end), 0) as {{ part }},
        {% endfor %}
        {{ asked | join(', ') }},
        person,
        max(customer_id) as customer_id,
        max_by(segment, {{ ordering(['answered_at', 'answer_id']) }}) as segment
    from placed
    group by {{ asked | join(', ') }}, person
),

questionnaires as (
    select
        {% for part in parts %}
        count({{ part }}) as {{ part }},
        {% endfor %}
        {{ asked | join(', ') }}
    from persons
    group by {{ asked | join(', ') }}
),

weighed as (
    select
        {% for part in parts %}
        persons.{{ part }},
        coalesce(
            persons.{{ part }} * coalesce(own.{{ part }}, whole.{{ part }}, 1), 0
        ) as weighed_{{ part }},
        {% endfor %}
        {% for column in asked %}
        persons.{{ column }},
        {% endfor %}
        persons.customer_id,
        persons.segment,
        {{ names_where(parts, 'persons.{} is null') }} as missing_parts,
        {{ names_where(parts, 'questionnaires.{} = 0') }} as unasked_parts
    from persons
    inner join questionnaires
        on
            {% for column in asked[1:] %}
            persons.{{ column }} = questionnaires.{{ column }}
            and
            {% endfor %}
            persons.source = questionnaires.source
    left join weights as own on persons.segment = own.segment
    left join weights as whole on whole.segment = 'all'
),

added_up as (
    select
        *,
        {% for total, parts_of in totals.items() %}
        case
            when coalesce({{ parts_of | join(', ') }}) is not null
                then
                    0
                    {% for part in parts_of %}
                    + weighed_{{ part }}
                    {% endfor %}
        end as {{ total }},
        {% endfor %}
        coalesce(missing_parts, '') = coalesce(unasked_parts, '') as has_all_parts
    from weighed
),

-- A group counts whom told all parts that their survey asks, or the parts would not add
-- up.
grouped as (
    {% for breakdown, segment in {'total': "'all'", 'segment': 'segment'}.items() %}
    select
        {{ asked | join(', ') }},
        '{{ breakdown }}' as breakdown,
        {{ segment }} as segment,
        cast(null as string) as customer_id,
        count(*) filter (where has_all_parts) as person_count,
        count(*) filter (where not has_all_parts) as incomplete_count,
        max(unasked_parts) as missing_parts,
        {% for column in sums.split(', ') %}
        {{ exact_sum('case when has_all_parts then ' ~ column ~ ' end') }}
        / nullif(count(*) filter (where has_all_parts), 0) as {{ column }},
        {% endfor %}
        sum(
            case
                when has_all_parts
                    then
                        cast(total_value - total_cost as decimal(18, 6))
                        * cast(total_value - total_cost as decimal(18, 6))
            end
        ) as square_sum
    from added_up
    group by {{ asked | join(', ') }}{{ ", segment" if breakdown == 'segment' }}
    union all
    {% endfor %}
    select
        {{ asked | join(', ') }},
        'customer' as breakdown,
        segment,
        customer_id,
        1 as person_count,
        0 as incomplete_count,
        missing_parts,
        {{ sums }},
        cast(null as decimal(38, 12)) as square_sum
    from added_up
    where
        segment != 'not_permitted'
        and customer_id in (
            select customers.customer_id
            from {{ ref('customers') }} as customers
            where {{ may_be_scored('customers.may_be_profiled') }}
        )
),

judged as (
    select
        *,
        breakdown = 'customer' or person_count >= {{ var('minimum_answers') }}
            as is_enough,
        total_value - total_cost as delivered_value,
        -- Where all are alike nothing is known of how they differ.
        case
            when
                cast(square_sum as double) / nullif(person_count, 0)
                - power(total_value - total_cost, 2) > 1e-9
                then
                    sqrt(
                        (
                            cast(square_sum as double) / person_count
                            - power(total_value - total_cost, 2)
                        ) / nullif(person_count - 1, 0)
                    )
        end as deviation
    from grouped
),

final as (
    select
        period_grain,
        period_start,
        {{ end_of_year_or_all() }} as period_end,
        source,
        survey,
        scale_min,
        scale_max,
        breakdown,
        segment,
        customer_id,
        cast(person_count as bigint) as person_count,
        cast(incomplete_count as bigint) as incomplete_count,
        {% for column in sums.split(', ') + ['delivered_value'] %}
        case when is_enough then {{ column }} end as {{ column }},
        {% endfor %}
        case
            when is_enough and breakdown != 'customer'
                then
                    delivered_value
                    - deviation * {{ student_quantile('nullif(person_count - 1, 0)') }}
        end as interval_low,
        case
            when is_enough and breakdown != 'customer'
                then
                    delivered_value
                    + deviation * {{ student_quantile('nullif(person_count - 1, 0)') }}
        end as interval_high,
        case when is_enough then total_value / nullif(total_cost, 0) end
            as value_cost_ratio,
        case when missing_parts is null then 'whole' else 'partial' end
            as completeness,
        missing_parts,
        case
            when not is_enough then 'fewer than {{ var("minimum_answers") }} persons'
            when total_value is null then 'nobody was asked for a part of value'
            when total_cost is null then 'nobody was asked for a part of cost'
        end as missing_reason,
        'sum of value parts - sum of cost parts, each times its weight, in points of'
        || ' the scale; Student interval of 95 % over persons' as method,
        cast({{ var('weights_version') }} as bigint) as weights_version,
        {{ as_of() }} as as_of_date
    from judged
)

select * from final
