select
    'web' as source,
    event_id,
    {{ identified_by({'email': 'email', 'device': 'device'}) }},
    occurred_at,
    event as event_name,
    touchpoint,
    product_number as product_id,
    query,
    campaign as campaign_id,
    device as device_id,
    url,
    loaded_at
from {{ source('web', 'events') }}
