select
    'retail' as source,
    goal as goal_id,
    measure,
    scope,
    first_day as period_start,
    last_day as period_end,
    target as target_value,
    loaded_at
from {{ source('retail', 'goals') }}
