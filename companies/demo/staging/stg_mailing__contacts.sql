select
    'mailing' as source,
    contact as contact_id,
    {{ identified_by({'email': 'email', 'phone': 'phone'}) }},
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
