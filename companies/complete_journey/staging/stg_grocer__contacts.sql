with

mailings as (
    select
        campaign_id,
        household_id,
        loaded_at
    from {{ source('grocer', 'campaigns') }}
),

campaigns as (
    select
        campaign_id,
        start_date
    from {{ source('grocer', 'campaign_descriptions') }}
),

final as (
    select
        'grocer' as source,
        mailings.campaign_id || '-' || mailings.household_id as contact_id,
        {{ identified_by({'household_id': 'mailings.household_id'}) }},
        {{ business_midnight('campaigns.start_date') }} as sent_at,
        'letter' as channel,
        mailings.campaign_id,
        'offer' as purpose,
        mailings.loaded_at
    from mailings
    left join campaigns on mailings.campaign_id = campaigns.campaign_id
)

select * from final
