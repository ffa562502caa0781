select
    'desk' as source,
    caller_id as customer_record_id,
    {{ identified_by({'caller': 'caller_id'}) }},
    'person' as customer_kind,
    max(loaded_at) as loaded_at
from {{ source('desk', 'incident_events') }}
where caller_id is not null
group by caller_id
