with

resolved as (
    select * from {{ ref('int_references_resolved') }}
    where kind = 'place' and reference_key = source || ':' || reference_id
),

listed as (
    select * from {{ ref('feed_places') }}
),

final as (
    select
        resolved.reference_key as place_key,
        resolved.source,
        resolved.reference_id as place_id,
        listed.name,
        listed.kind,
        listed.city,
        listed.region,
        listed.latitude,
        listed.longitude,
        listed.opened_at,
        resolved.finding = 'own source' as is_listed,
        {{ missing_reason('resolved.finding') }} as missing_reason,
        {{ as_of() }} as as_of_date
    from resolved
    left join listed
        on
            resolved.source = listed.source
            and resolved.reference_id = listed.place_id
)

select * from final
