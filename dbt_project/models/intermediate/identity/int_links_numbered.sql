with

links as (
    select * from {{ ref('int_identifier_links') }}
),

identifiers as (
    select
        identifier_number,
        identifier_type,
        identifier_value
    from {{ ref('int_identifiers') }}
),

final as (
    select
        links.link_number,
        left_ones.identifier_number as left_number,
        right_ones.identifier_number as right_number,
        links.first_seen_at
    from links
    inner join identifiers as left_ones
        on
            links.left_type = left_ones.identifier_type
            and links.left_value = left_ones.identifier_value
    inner join identifiers as right_ones
        on
            links.right_type = right_ones.identifier_type
            and links.right_value = right_ones.identifier_value
)

select * from final
