select
    'retail' as source,
    order_number as order_id,
    case
        when card_number is not null then 'card'
        when email is not null then 'email'
        when phone is not null then 'phone'
    end as identifier_type,
    coalesce(card_number, email, phone) as identifier_value,
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
