{#- Of how many days ahead the chance to win a lead tells. -#}
{%- set horizon_days = 90 -%}
{#- Days in a stage with which a band of waiting begins. -#}
{%- set waits = [0, 8, 31, 91] -%}
with

leads as (
    select
        *,
        {{ business_date('created_at') }} as created_on
    from {{ ref('feed_leads') }}
),

stages as (
    select * from {{ ref('lead_stages') }}
),

identities as (
    select * from {{ ref('identities') }}
),

first_purchases as (
    select
        customer_id,
        min(ordered_at) as bought_at
    from {{ ref('orders') }}
    where purchase_kind = 'new'
    group by customer_id
),

-- Which ends a source tells by stages.
told as (
    select
        source,
        count(*) filter (where stage_class = 'won') > 0 as tells_won,
        count(*) filter (where stage_class = 'lost') > 0 as tells_lost
    from stages
    group by source
),

staged as (
    select
        source,
        lead_id,
        count(*) as stage_count,
        max(case when stage_class = 'won' then position end) as won_position,
        max(case when stage_class = 'lost' then position end) as lost_position,
        max(case when stage_class = 'won' then entered_at end) as won_at,
        max(case when stage_class = 'lost' then entered_at end) as lost_at
    from stages
    group by source, lead_id
),

identified as (
    select
        leads.source,
        leads.lead_id,
        identities.person_id,
        identities.customer_id,
        leads.created_at,
        leads.created_on,
        leads.source_of_lead,
        leads.employee_id,
        leads.has_need,
        leads.can_pay,
        leads.declined_reason,
        coalesce(staged.stage_count, 0) as stage_count,
        latest.stage,
        latest.entered_on as latest_on,
        case
            when
                staged.won_position > coalesce(staged.lost_position, 0)
                then 'won'
            when staged.lost_position = staged.stage_count then 'lost'
        end as outcome_by_stage,
        staged.won_at,
        staged.lost_at,
        coalesce(told.tells_won, false) as tells_won,
        coalesce(told.tells_lost, false) as tells_lost,
        case
            when first_purchases.bought_at >= leads.created_at
                then first_purchases.bought_at
        end as bought_at
    from leads
    left join staged
        on leads.source = staged.source and leads.lead_id = staged.lead_id
    left join stages as latest
        on
            leads.source = latest.source
            and leads.lead_id = latest.lead_id
            and latest.is_latest
    left join told on leads.source = told.source
    left join identities
        on
            leads.identifier_type = identities.identifier_type
            and leads.identifier_value = identities.identifier_value
    left join first_purchases on identities.customer_id = first_purchases.customer_id
),

decided as (
    select
        *,
        case
            when outcome_by_stage = 'won' then 'won'
            when not tells_won and bought_at is not null then 'won'
            when outcome_by_stage = 'lost' then 'lost'
            when not tells_lost and declined_reason is not null then 'lost'
            else 'open'
        end as outcome,
        case
            when outcome_by_stage = 'won' then 'stage'
            when not tells_won and bought_at is not null then 'purchase'
            when outcome_by_stage = 'lost' then 'stage'
            when not tells_lost and declined_reason is not null then 'declined_reason'
        end as outcome_told_by
    from identified
),

dated as (
    select
        *,
        case
            when outcome_told_by = 'purchase' then bought_at
            when outcome_told_by = 'stage' and outcome = 'won' then won_at
            when outcome_told_by = 'stage' then lost_at
        end as decided_at
    from decided
),

timed as (
    select
        *,
        {{ business_date('decided_at') }} as decided_on,
        coalesce(stage, 'created') as current_stage,
        coalesce(latest_on, created_on) as current_since
    from dated
),

-- Where and since when each lead stood, until it stood elsewhere.
stands as (
    select
        source,
        lead_id,
        stage,
        entered_on,
        left_on
    from stages
    where stage_class = 'open'
    union all
    select
        leads.source,
        leads.lead_id,
        'created' as stage,
        leads.created_on as entered_on,
        first_stages.entered_on as left_on
    from leads
    left join stages as first_stages
        on
            leads.source = first_stages.source
            and leads.lead_id = first_stages.lead_id
            and first_stages.position = 1
),

usual as (
    select
        source,
        stage,
        count(*) as usual_days_n,
        {{ median(days_between('entered_on', 'left_on')) }} as usual_days
    from stands
    where left_on >= entered_on
    group by source, stage
),

waits as (
    {% for days in waits %}
    select
        {{ days }} as from_days,
        {{ (waits + [1000000])[loop.index] }} as to_days
    {{ "union all" if not loop.last }}
    {% endfor %}
),

-- Who still waited in a stage on a day that lies the horizon back, and was not won by
-- then.
waited as (
    select
        stands.source,
        stands.lead_id,
        stands.stage,
        waits.from_days,
        {{ add_days('stands.entered_on', 'waits.from_days') }} as waited_on
    from stands
    cross join waits
    where
        coalesce(
            {{ days_between('stands.entered_on', 'stands.left_on') }}
            >= waits.from_days,
            true
        )
        and {{ days_between('stands.entered_on', as_of()) }}
        >= waits.from_days + {{ horizon_days }}
),

counted as (
    select
        waited.source,
        waited.stage,
        waited.from_days,
        count(*) as n,
        count(
            case
                when
                    timed.outcome = 'won'
                    and {{ days_between('waited.waited_on', 'timed.decided_on') }}
                    <= {{ horizon_days }}
                    then 1
            end
        ) as won_count
    from waited
    inner join timed
        on waited.source = timed.source and waited.lead_id = timed.lead_id
    where
        coalesce(
            timed.outcome != 'won' or timed.decided_on >= waited.waited_on, true
        )
    group by waited.source, waited.stage, waited.from_days
),

chances as (
    select
        source,
        stage,
        from_days,
        n,
        won_count / cast(n as double) as share
    from counted
    where n >= {{ var('minimum_answers') }}
),

open_leads as (
    select
        timed.source,
        timed.lead_id,
        waits.from_days
    from timed
    cross join waits
    where
        timed.outcome = 'open'
        and {{ days_between('timed.current_since', as_of()) }} >= waits.from_days
        and {{ days_between('timed.current_since', as_of()) }} < waits.to_days
),

final as (
    select
        timed.source,
        timed.lead_id,
        timed.person_id,
        timed.customer_id,
        timed.created_at,
        timed.created_on,
        {{ month_of('timed.created_on') }} as cohort_month,
        timed.source_of_lead,
        timed.employee_id,
        timed.has_need,
        timed.can_pay,
        timed.outcome,
        timed.outcome_told_by,
        timed.decided_at,
        timed.decided_on,
        case
            when timed.decided_on >= timed.created_on
                then {{ days_between('timed.created_on', 'timed.decided_on') }}
        end as days_to_decision,
        -- The reason has no time of its own: of a lead that has gone on since it may be
        -- that of a step that lies ahead.
        case
            when
                timed.outcome = 'lost'
                or (timed.outcome = 'open' and timed.stage_count = 0)
                then timed.declined_reason
        end as declined_reason,
        timed.current_stage as stage,
        timed.current_since as stage_since,
        timed.stage_count,
        {{ days_between('timed.current_since', as_of()) }} as days_in_stage,
        usual.usual_days as usual_days_in_stage,
        coalesce(usual.usual_days_n, 0) as usual_days_n,
        case
            when timed.outcome != 'open' then false
            when usual.usual_days_n >= {{ var('minimum_answers') }}
                then
                    {{ days_between('timed.current_since', as_of()) }}
                    > 2 * greatest(usual.usual_days, 1)
        end as is_stuck,
        chances.share as win_probability,
        {{ wilson_bound('chances.share', 'cast(chances.n as double)', '-') }}
            as win_probability_low,
        {{ wilson_bound('chances.share', 'cast(chances.n as double)', '+') }}
            as win_probability_high,
        coalesce(counted.n, 0) as n,
        'share won within {{ horizon_days }} days' as method,
        case
            when timed.outcome != 'open' then 'decided'
            when chances.n is null
                then
                    'fewer than {{ var("minimum_answers") }} leads that waited as long '
                    || 'in this stage, {{ horizon_days }} days ago'
        end as missing_reason,
        {{ as_of() }} as as_of_date
    from timed
    left join open_leads
        on timed.source = open_leads.source and timed.lead_id = open_leads.lead_id
    left join usual
        on timed.source = usual.source and timed.current_stage = usual.stage
    left join counted
        on
            timed.source = counted.source
            and timed.current_stage = counted.stage
            and open_leads.from_days = counted.from_days
    left join chances
        on
            timed.source = chances.source
            and timed.current_stage = chances.stage
            and open_leads.from_days = chances.from_days
)

select * from final
