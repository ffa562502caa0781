select
    'mailing' as source,
    contact as contact_id,
    case
        when email is not null then 'email'
        when phone is not null then 'phone'
    end as identifier_type,
    coalesce(email, phone) as identifier_value,
    sent_at,
    channel,
    campaign as campaign_id,
    employee as employee_id,
    purpose,
    opened_at,
    responded_at,
    outcome,
    loaded_at
from {{ source('mailing', 'contacts') }}
