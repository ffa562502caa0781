select
    'grocer' as source,
    campaign_id,
    'Campaign ' || campaign_id || ' (' || campaign_type || ')' as name,
    'letter' as channel,
    {{ business_midnight('start_date') }} as starts_at,
    {{ business_midnight(add_days('end_date', 1)) }} as ends_at,
    loaded_at
from {{ source('grocer', 'campaign_descriptions') }}
