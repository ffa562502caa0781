select
    'retail' as source,
    order_number || '-' || line_number as order_line_id,
    order_number as order_id,
    line_number,
    product_number as product_id,
    quantity,
    unit_price as unit_price_amount,
    discount as discount_amount,
    amount as line_amount,
    loaded_at
from {{ source('retail', 'order_lines') }}
