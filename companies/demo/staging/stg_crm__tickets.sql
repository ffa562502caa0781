select
    'crm' as source,
    case_number as ticket_id,
    case
        when card_number is not null then 'card'
        when email is not null then 'email'
        when phone is not null then 'phone'
    end as identifier_type,
    coalesce(card_number, email, phone) as identifier_value,
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
