select
    'grocer' as source,
    household_id as customer_record_id,
    'household_id' as identifier_type,
    household_id as identifier_value,
    'person' as customer_kind,
    loaded_at
from {{ source('grocer', 'demographics') }}
