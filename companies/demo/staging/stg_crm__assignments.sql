select
    'crm' as source,
    care as assignment_id,
    case
        when card_number is not null then 'card'
        when email is not null then 'email'
    end as identifier_type,
    coalesce(card_number, email) as identifier_value,
    employee as employee_id,
    department,
    valid_from,
    valid_to,
    loaded_at
from {{ source('crm', 'care') }}
