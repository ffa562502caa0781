select
    'survey' as source,
    answer as answer_id,
    {{ identified_by({'card': 'card_number', 'email': 'email'}) }},
    response as response_id,
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
