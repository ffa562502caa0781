select
    'stores' as source,
    reading as presence_id,
    case when device is not null then 'device' end as identifier_type,
    device as identifier_value,
    read_at as occurred_at,
    store_number as place_id,
    floor,
    zone,
    state,
    loaded_at
from {{ source('stores', 'presences') }}
