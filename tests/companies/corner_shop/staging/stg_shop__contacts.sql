select
    'shop' as source,
    mailing_number as contact_id,
    'card_number' as identifier_type,
    card_number as identifier_value,
    {{ business_midnight('sent_on') }} as sent_at,
    'letter' as channel,
    'offer' as purpose,
    loaded_at
from {{ source('shop', 'mailings') }}
