with

delivered as (
    select
        left_type,
        left_value,
        right_type,
        right_value,
        source,
        coalesce(reason, 'link') as evidence,
        seen_at as first_seen_at,
        seen_at as last_seen_at
    from {{ ref('feed_identifier_links') }}
    where
        not {{ is_nobody('left_value') }}
        and not {{ is_nobody('right_value') }}
),

shown as (
    select
        left_type,
        left_value,
        right_type,
        right_value,
        source,
        evidence,
        first_seen_at,
        last_seen_at
    from {{ ref('int_row_links') }}
),

final as (
    select * from delivered
    union all
    select * from shown
)

select * from final
