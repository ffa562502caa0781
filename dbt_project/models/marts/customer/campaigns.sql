with

resolved as (
    select * from {{ ref('int_references_resolved') }}
    where kind = 'campaign' and reference_key = source || ':' || reference_id
),

listed as (
    select * from {{ ref('feed_campaigns') }}
),

final as (
    select
        resolved.reference_key as campaign_key,
        resolved.source,
        resolved.reference_id as campaign_id,
        listed.name,
        listed.channel,
        listed.starts_at,
        listed.ends_at,
        listed.cost_amount,
        resolved.finding = 'own source' as is_listed,
        {{ missing_reason('resolved.finding') }} as missing_reason,
        {{ as_of() }} as as_of_date
    from resolved
    left join listed
        on
            resolved.source = listed.source
            and resolved.reference_id = listed.campaign_id
)

select * from final
