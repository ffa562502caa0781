{%- set schemes = var('schemes') -%}
with

customer_states as (
    select * from {{ ref('int_customer_states') }}
),

classified as (
    select
        customer_id,
        {% for scheme in schemes %}
        {{ segment_of(scheme) }} as in_{{ loop.index }},
        {% endfor %}
        state_on
    from customer_states
),

preceded as (
    select
        customer_id,
        {% for scheme in schemes %}
        in_{{ loop.index }},
        lag(in_{{ loop.index }}) over (
            partition by customer_id order by state_on nulls last
        ) as was_in_{{ loop.index }},
        {% endfor %}
        state_on
    from classified
),

changes as (
    {% for scheme in schemes %}
    select
        customer_id,
        '{{ scheme.name }}' as scheme,
        in_{{ loop.index }} as segment,
        was_in_{{ loop.index }} as previous_segment,
        state_on as valid_from
    from preceded
    where coalesce(in_{{ loop.index }} != was_in_{{ loop.index }}, true)
    {{ "union all" if not loop.last }}
    {% endfor %}
),

followed as (
    select
        *,
        lead(valid_from) over (
            partition by customer_id, scheme order by valid_from nulls last
        ) as next_valid_from
    from changes
),

final as (
    select
        customer_id,
        scheme,
        segment,
        valid_from,
        {{ add_days('next_valid_from', -1) }} as valid_to,
        next_valid_from is null as is_current,
        previous_segment,
        {{ as_of() }} as as_of_date
    from followed
)

select * from final
