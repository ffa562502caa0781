select
    'grocer' as source,
    household_id
    || '-' || campaign_id
    || '-' || coupon_upc
    || '-' || redemption_date as event_id,
    {{ identified_by({'household_id': 'household_id'}) }},
    {{ business_midnight('redemption_date') }} as occurred_at,
    'coupon_redemption' as event_name,
    'till' as touchpoint,
    campaign_id,
    loaded_at
from {{ source('grocer', 'coupon_redemptions') }}
