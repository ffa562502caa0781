select
    'shop' as source,
    receipt_number as order_id,
    case when card_number is not null then 'card_number' end as identifier_type,
    card_number as identifier_value,
    bought_at as ordered_at,
    'store' as channel,
    voucher_amount as discount_amount,
    payment_method,
    loaded_at
from {{ source('shop', 'orders') }}
