select
    'stores' as source,
    reading as presence_id,
    {{ identified_by({'device': 'device'}) }},
    read_at as occurred_at,
    store_number as place_id,
    floor,
    zone,
    state,
    loaded_at
from {{ source('stores', 'presences') }}
