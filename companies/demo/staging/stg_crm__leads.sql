select
    'crm' as source,
    lead as lead_id,
    case
        when email is not null then 'email'
        when phone is not null then 'phone'
    end as identifier_type,
    coalesce(email, phone) as identifier_value,
    created_at,
    source_of_lead,
    employee as employee_id,
    has_need,
    can_pay,
    declined_reason,
    loaded_at
from {{ source('crm', 'leads') }}
