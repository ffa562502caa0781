select
    'club' as source,
    consent as consent_id,
    {{ identified_by({'card': 'card_number', 'email': 'email'}) }},
    purpose,
    channel,
    granted as is_granted,
    changed_at,
    loaded_at
from {{ source('club', 'consents') }}
