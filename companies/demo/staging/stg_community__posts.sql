select
    'community' as source,
    post as post_id,
    {{ identified_by({'handle': 'author'}) }},
    posted_at,
    platform,
    author,
    text,
    topic,
    sentiment,
    about_us as is_about_us,
    referred as referred_identifier,
    loaded_at
from {{ source('community', 'posts') }}
