select
    'grocer' as source,
    household_id as customer_record_id,
    {{ identified_by({'household_id': 'household_id'}) }},
    'person' as customer_kind,
    loaded_at
from {{ source('grocer', 'demographics') }}
