with

demographics as (
    select * from {{ source('grocer', 'demographics') }}
),

traits as (
    {{ unpivoted(
        'demographics',
        ['household_id', 'loaded_at'],
        ['attribute'],
        [
            'age', 'income', 'home_ownership', 'marital_status', 'household_size',
            'household_comp', 'kids_count',
        ],
        'value_text',
        'string'
    ) }}
),

final as (
    select
        'grocer' as source,
        household_id || '-' || attribute as attribute_id,
        {{ identified_by({'household_id': 'household_id'}) }},
        attribute,
        value_text,
        loaded_at
    from traits
)

select * from final
