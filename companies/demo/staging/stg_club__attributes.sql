select
    'club' as source,
    trait as attribute_id,
    {{ identified_by({'card': 'card_number', 'email': 'email'}) }},
    name as attribute,
    value_text,
    value_number,
    observed_at,
    loaded_at
from {{ source('club', 'traits') }}
