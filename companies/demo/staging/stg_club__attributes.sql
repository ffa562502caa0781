select
    'club' as source,
    trait as attribute_id,
    case
        when card_number is not null then 'card'
        when email is not null then 'email'
    end as identifier_type,
    coalesce(card_number, email) as identifier_value,
    name as attribute,
    value_text,
    value_number,
    observed_at,
    loaded_at
from {{ source('club', 'traits') }}
