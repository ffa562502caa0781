select
    'inventory' as source,
    product_number as product_id,
    name,
    category,
    brand,
    list_price as list_price_amount,
    unit_cost as unit_cost_amount,
    stock as stock_quantity,
    {{ business_midnight('launched_on') }} as launched_at,
    loaded_at
from {{ source('inventory', 'products') }}
