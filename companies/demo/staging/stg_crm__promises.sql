select
    'crm' as source,
    promise as promise_id,
    case
        when card_number is not null then 'card'
        when email is not null then 'email'
    end as identifier_type,
    coalesce(card_number, email) as identifier_value,
    kind,
    promised_at,
    due_at,
    kept_at,
    loaded_at
from {{ source('crm', 'promises') }}
