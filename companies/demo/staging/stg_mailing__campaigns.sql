select
    'mailing' as source,
    campaign as campaign_id,
    name,
    channel,
    starts_at,
    ends_at,
    cost as cost_amount,
    loaded_at
from {{ source('mailing', 'campaigns') }}
