with

identities as (
    select * from {{ ref('identities') }}
),

persons as (
    select * from {{ ref('int_persons') }}
    where merged_by is not null
),

links as (
    select * from {{ ref('int_identifier_links') }}
),

final as (
    select
        links.first_seen_at as merged_at,
        {{ person_id('newer.identifier_type', 'newer.identifier_value') }}
            as person_id_before,
        {{ person_id('elder.identifier_type', 'elder.identifier_value') }}
            as person_id_after,
        newer.person_id,
        newer.standing,
        left_ones.identifier_type as left_type,
        left_ones.identifier_value as left_value,
        right_ones.identifier_type as right_type,
        right_ones.identifier_value as right_value,
        links.evidence,
        {{ as_of() }} as as_of_date
    from persons
    inner join links on persons.merged_by = links.link_number
    inner join identities as newer
        on persons.identifier_number = newer.identifier_number
    inner join identities as elder
        on persons.merged_into = elder.identifier_number
    inner join identities as left_ones
        on links.left_number = left_ones.identifier_number
    inner join identities as right_ones
        on links.right_number = right_ones.identifier_number
)

select * from final
