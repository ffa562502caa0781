select
    'web' as source,
    event_id,
    case when email is not null then 'email' else 'device' end as identifier_type,
    coalesce(email, device) as identifier_value,
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
