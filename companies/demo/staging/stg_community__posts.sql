select
    'community' as source,
    post as post_id,
    case when author is not null then 'handle' end as identifier_type,
    author as identifier_value,
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
