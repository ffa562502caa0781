select
    'shop' as source,
    card_number as customer_record_id,
    'card_number' as identifier_type,
    card_number as identifier_value,
    'person' as customer_kind,
    city,
    registered_at,
    loaded_at
from {{ source('shop', 'customers') }}
