select
    'crm' as source,
    lead as lead_id,
    {{ identified_by({'email': 'email', 'phone': 'phone'}) }},
    created_at,
    source_of_lead,
    employee as employee_id,
    has_need,
    can_pay,
    declined_reason,
    loaded_at
from {{ source('crm', 'leads') }}
