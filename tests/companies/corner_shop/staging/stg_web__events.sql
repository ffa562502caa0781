select
    'web' as source,
    click_id as event_id,
    case when card_number is not null then 'card_number' end as identifier_type,
    card_number as identifier_value,
    clicked_at as occurred_at,
    page as event_name,
    'web' as touchpoint,
    product_code as product_id,
    search_term as query,
    device as device_id,
    loaded_at
from {{ source('web', 'clicks') }}
