select
    'crm' as source,
    quote as quote_id,
    case when email is not null then 'email' end as identifier_type,
    email as identifier_value,
    product_number as product_id,
    quoted_at,
    price as price_amount,
    outcome,
    decided_at,
    loaded_at
from {{ source('crm', 'quotes') }}
