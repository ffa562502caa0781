with

mentions as (
    select * from {{ ref('int_mentions') }}
),

identities as (
    select * from {{ ref('identities') }}
),

posts as (
    select
        posts.source,
        posts.post_id,
        identities.customer_id,
        posts.posted_at,
        posts.platform,
        posts.topic,
        posts.sentiment,
        posts.referred_identifier is not null as is_referral
    from {{ ref('feed_posts') }} as posts
    left join identities
        on
            posts.identifier_type = identities.identifier_type
            and posts.identifier_value = identities.identifier_value
),

final as (
    select
        mentions.source,
        mentions.post_id,
        mentions.subject_kind,
        mentions.subject,
        posts.customer_id,
        posts.posted_at,
        {{ business_date('posts.posted_at') }} as posted_date,
        posts.platform,
        posts.topic,
        mentions.sentiment,
        posts.sentiment as sentiment_delivered,
        mentions.language,
        posts.is_referral,
        mentions.method,
        {{ as_of() }} as as_of_date
    from mentions
    inner join posts
        on
            mentions.source = posts.source
            and mentions.post_id = posts.post_id
)

select * from final
