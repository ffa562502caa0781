select
    'crm' as source,
    case_number as ticket_id,
    {{ identified_by({'card': 'card_number', 'email': 'email', 'phone': 'phone'}) }},
    opened_at,
    first_response_at,
    resolved_at,
    channel,
    kind,
    reason,
    product_number as product_id,
    employee as employee_id,
    'call centre' as department,
    reopened as is_reopened,
    loaded_at
from {{ source('crm', 'cases') }}
