select
    'retail' as source,
    order_number as order_id,
    {{ identified_by({'card': 'card_number', 'email': 'email', 'phone': 'phone'}) }},
    ordered_at,
    channel,
    store_number as store_id,
    city,
    status,
    voucher as discount_amount,
    shipping as shipping_amount,
    payment_method,
    promised_at,
    delivered_at,
    loaded_at
from {{ source('retail', 'orders') }}
