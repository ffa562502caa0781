select
    'grocer' as source,
    product_id,
    product_type as name,
    product_category as category,
    brand,
    loaded_at
from {{ source('grocer', 'products') }}
