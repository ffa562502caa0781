select
    'crm' as source,
    child as dependant_id,
    {{ identified_by({'card': 'card_number', 'email': 'email'}) }},
    birth_date,
    relation,
    loaded_at
from {{ source('crm', 'children') }}
