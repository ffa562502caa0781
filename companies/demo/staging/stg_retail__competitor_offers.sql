select
    'retail' as source,
    offer as offer_id,
    competitor,
    product_number as product_id,
    price as price_amount,
    seen_at,
    loaded_at
from {{ source('retail', 'competitor_offers') }}
