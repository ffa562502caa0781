{%- set traits = [
    'age', 'income', 'home_ownership', 'marital_status', 'household_size',
    'household_comp', 'kids_count',
] -%}
with

traits as (
    {% for trait in traits %}
    select
        household_id,
        '{{ trait }}' as attribute,
        {{ trait }} as value_text,
        loaded_at
    from {{ source('grocer', 'demographics') }}
    {{ "union all" if not loop.last }}
    {% endfor %}
),

final as (
    select
        'grocer' as source,
        household_id || '-' || attribute as attribute_id,
        'household_id' as identifier_type,
        household_id as identifier_value,
        attribute,
        value_text,
        loaded_at
    from traits
    where value_text is not null
)

select * from final
