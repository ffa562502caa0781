select
    'crm' as source,
    child as dependant_id,
    case
        when card_number is not null then 'card'
        when email is not null then 'email'
    end as identifier_type,
    coalesce(card_number, email) as identifier_value,
    birth_date,
    relation,
    loaded_at
from {{ source('crm', 'children') }}
