select
    'shop' as source,
    product_code as product_id,
    product_name as name,
    category,
    unit_cost as unit_cost_amount,
    loaded_at
from {{ source('shop', 'products') }}
