select
    'web' as source,
    link as link_id,
    case
        when email is not null then 'email'
        when card is not null then 'card'
        when phone is not null then 'phone'
        else 'device'
    end as left_type,
    coalesce(email, card, phone, device) as left_value,
    case
        when handle is not null then 'handle'
        when device is not null then 'device'
        when phone is not null then 'phone'
        else 'card'
    end as right_type,
    coalesce(handle, device, phone, card) as right_value,
    seen_at,
    reason,
    loaded_at
from {{ source('web', 'account_links') }}
