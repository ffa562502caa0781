select
    'crm' as source,
    quote as quote_id,
    {{ identified_by({'email': 'email'}) }},
    product_number as product_id,
    quoted_at,
    price as price_amount,
    50 as quantity,
    outcome,
    decided_at,
    loaded_at
from {{ source('crm', 'quotes') }}
