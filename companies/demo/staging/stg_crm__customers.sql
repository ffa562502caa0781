select
    'crm' as source,
    customer_number as customer_record_id,
    {{ identified_by({'card': 'card_number', 'email': 'email', 'phone': 'phone'}) }},
    kind as customer_kind,
    account as account_id,
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
