select
    'survey' as source,
    answer as answer_id,
    case
        when card_number is not null then 'card'
        when email is not null then 'email'
    end as identifier_type,
    coalesce(card_number, email) as identifier_value,
    answered_at,
    survey,
    question,
    measure,
    dimension,
    factor,
    score,
    scale_min,
    scale_max,
    method,
    touchpoint,
    text,
    loaded_at
from {{ source('survey', 'answers') }}
