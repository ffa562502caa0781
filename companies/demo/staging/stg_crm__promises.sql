select
    'crm' as source,
    promise as promise_id,
    {{ identified_by({'card': 'card_number', 'email': 'email'}) }},
    kind,
    promised_at,
    due_at,
    kept_at,
    loaded_at
from {{ source('crm', 'promises') }}
