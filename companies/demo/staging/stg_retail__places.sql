select
    'retail' as source,
    store_number as place_id,
    name,
    kind,
    city,
    region,
    latitude,
    longitude,
    {{ business_midnight('opened_on') }} as opened_at,
    loaded_at
from {{ source('retail', 'places') }}
