with

shown as (
    select * from {{ ref('int_links_shown') }}
),

identifiers as (
    select
        identifier_number,
        identifier_type,
        identifier_value
    from {{ ref('int_identifiers') }}
),

numbered as (
    select
        least(left_ones.identifier_number, right_ones.identifier_number)
            as left_number,
        greatest(left_ones.identifier_number, right_ones.identifier_number)
            as right_number,
        shown.source || ': ' || shown.evidence as evidence,
        shown.first_seen_at,
        shown.last_seen_at
    from shown
    inner join identifiers as left_ones
        on
            shown.left_type = left_ones.identifier_type
            and shown.left_value = left_ones.identifier_value
    inner join identifiers as right_ones
        on
            shown.right_type = right_ones.identifier_type
            and shown.right_value = right_ones.identifier_value
),

-- Each pair once, whichever side was told first.
paired as (
    select
        left_number,
        right_number,
        min_by(evidence, {{ ordering(['first_seen_at', 'evidence']) }}) as evidence,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at
    from numbered
    where left_number != right_number
    group by left_number, right_number
),

final as (
    select
        row_number() over (
            order by
                first_seen_at nulls first,
                left_number nulls last,
                right_number nulls last
        ) - 1 as link_number,
        left_number,
        right_number,
        evidence,
        first_seen_at,
        last_seen_at
    from paired
)

select * from final
