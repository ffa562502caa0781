with

leads as (
    select
        source,
        lead_id
    from {{ ref('feed_leads') }}
),

entered as (
    select
        stages.source,
        stages.lead_stage_id,
        stages.lead_id,
        stages.stage,
        {{ lead_stage_class('stages.stage') }} as stage_class,
        stages.entered_at,
        {{ business_date('stages.entered_at') }} as entered_on
    from {{ ref('feed_lead_stages') }} as stages
    inner join leads
        on stages.source = leads.source and stages.lead_id = leads.lead_id
),

-- Of stages entered at one time the end comes last.
ordered as (
    select
        *,
        row_number() over (
            partition by source, lead_id
            order by
                entered_at nulls last,
                case when stage_class = 'open' then 0 else 1 end nulls last,
                lead_stage_id nulls last
        ) as position
    from entered
),

followed as (
    select
        *,
        lead(entered_at) over (
            partition by source, lead_id order by position nulls last
        ) as left_at,
        lead(entered_on) over (
            partition by source, lead_id order by position nulls last
        ) as left_on
    from ordered
),

final as (
    select
        source,
        lead_stage_id,
        lead_id,
        position,
        stage,
        stage_class,
        entered_at,
        entered_on,
        left_at,
        left_on,
        {{ days_between('entered_on', 'coalesce(left_on, ' ~ as_of() ~ ')') }}
            as days_in_stage,
        left_at is null as is_latest,
        {{ as_of() }} as as_of_date
    from followed
)

select * from final
