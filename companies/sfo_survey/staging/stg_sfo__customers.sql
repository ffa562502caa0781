select
    'sfo' as source,
    respondent_id as customer_record_id,
    identifier_type,
    identifier_value,
    'person' as customer_kind,
    home as region,
    loaded_at
from {{ ref('int_responses_united') }}
