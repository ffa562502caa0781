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
        links.left_type,
        links.left_value,
        links.right_type,
        links.right_value,
        links.evidence,
        {{ as_of() }} as as_of_date
    from persons
    inner join links on persons.merged_by = links.link_number
    inner join identities as newer
        on persons.identifier_number = newer.identifier_number
    inner join identities as elder
        on persons.merged_into = elder.identifier_number
)

select * from final
