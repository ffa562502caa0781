select
    'club' as source,
    consent as consent_id,
    case
        when card_number is not null then 'card'
        when email is not null then 'email'
    end as identifier_type,
    coalesce(card_number, email) as identifier_value,
    purpose,
    channel,
    granted as is_granted,
    changed_at,
    loaded_at
from {{ source('club', 'consents') }}
