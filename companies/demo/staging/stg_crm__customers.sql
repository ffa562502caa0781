select
    'crm' as source,
    customer_number as customer_record_id,
    case
        when card_number is not null then 'card'
        when email is not null then 'email'
        when phone is not null then 'phone'
    end as identifier_type,
    coalesce(card_number, email, phone) as identifier_value,
    kind as customer_kind,
    city,
    region,
    country,
    industry,
    level,
    registered_via as registration_source,
    registered_at,
    birth_date,
    deleted_at,
    updated_at,
    loaded_at
from {{ source('crm', 'customers') }}
