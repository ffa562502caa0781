select
    'grocer' as source,
    basket_id || '-' || product_id as order_line_id,
    basket_id as order_id,
    product_id,
    quantity,
    case
        when quantity > 0 then {{ mean_amount('sales_value', 'quantity') }}
    end as unit_price_amount,
    retail_disc + coupon_match_disc as discount_amount,
    sales_value as line_amount,
    loaded_at
from {{ source('grocer', 'transactions') }}
