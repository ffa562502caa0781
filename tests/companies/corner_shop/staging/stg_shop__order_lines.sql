select
    'shop' as source,
    receipt_number || '-' || line_number as order_line_id,
    receipt_number as order_id,
    line_number,
    product_code as product_id,
    quantity,
    unit_price as unit_price_amount,
    quantity * unit_price as line_amount,
    loaded_at
from {{ source('shop', 'order_lines') }}
