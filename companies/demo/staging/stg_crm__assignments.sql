select
    'crm' as source,
    care as assignment_id,
    {{ identified_by({'card': 'card_number', 'email': 'email'}) }},
    employee as employee_id,
    department,
    valid_from,
    valid_to,
    loaded_at
from {{ source('crm', 'care') }}
