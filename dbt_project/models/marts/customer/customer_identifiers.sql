with

identities as (
    select * from {{ ref('identities') }}
),

identifiers as (
    select * from {{ ref('int_identifiers') }}
),

links as (
    select * from {{ ref('int_identifier_links') }}
),

refused as (
    select identifier_number
    from identities
    where refused_by is not null
),

both_ways as (
    select
        left_number as identifier_number,
        right_number as partner_number
    from links
    union all
    select
        right_number as identifier_number,
        left_number as partner_number
    from links
),

-- Links of a refused identifier do not count, on whichever side it stands.
linked as (
    select
        both_ways.identifier_number,
        count(*) as link_count,
        count(*) filter (
            where
            own.identifier_number is not null
            or partner.identifier_number is not null
        ) as refused_link_count
    from both_ways
    left join refused as own
        on both_ways.identifier_number = own.identifier_number
    left join refused as partner
        on both_ways.partner_number = partner.identifier_number
    group by both_ways.identifier_number
),

final as (
    select
        identities.identifier_type,
        identities.identifier_value,
        identities.customer_id,
        identities.person_id,
        identities.standing,
        identities.refused_by,
        identifiers.first_seen_at,
        identifiers.last_seen_at,
        identifiers.sources,
        coalesce(linked.link_count, 0) as link_count,
        coalesce(linked.refused_link_count, 0) as refused_link_count,
        {{ as_of() }} as as_of_date
    from identities
    inner join identifiers
        on identities.identifier_number = identifiers.identifier_number
    left join linked
        on identities.identifier_number = linked.identifier_number
)

select * from final
