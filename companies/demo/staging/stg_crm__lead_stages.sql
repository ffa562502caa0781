select
    'crm' as source,
    step as lead_stage_id,
    lead as lead_id,
    stage,
    entered_at,
    loaded_at
from {{ source('crm', 'lead_stages') }}
