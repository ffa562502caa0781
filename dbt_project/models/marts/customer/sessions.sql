{%- set timeout_minutes = var('session_timeout_minutes') -%}
with

events as (
    select * from {{ ref('feed_events') }}
),

identities as (
    select * from {{ ref('identities') }}
),

-- An event without device, session and person is a stream of its own: nothing says
-- that two unknown persons are one. Some sources count sessions per device from 1, so
-- that a session of a source ends with its device.
streamed as (
    select
        case
            when events.device_id is not null
                then 'device:' || events.device_id
            when events.session_id is not null
                then 'session:' || events.source || ':' || events.session_id
            when identities.customer_id is not null
                then events.identifier_type || ':' || events.identifier_value
            else 'event:' || events.source || ':' || events.event_id
        end as stream_id,
        case
            when events.session_id is not null
                then 'session:' || events.source || ':' || events.session_id
        end as told_session,
        events.source,
        events.event_id,
        identities.customer_id,
        events.occurred_at,
        case
            when events.session_id is null
                then
                    floor(
                        {{ epoch_seconds('events.occurred_at') }}
                        / (60 * {{ timeout_minutes }})
                    )
            else 0
        end as slot,
        events.touchpoint,
        events.product_id,
        events.query,
        events.campaign_id
    from events
    left join identities
        on
            events.identifier_type = identities.identifier_type
            and events.identifier_value = identities.identifier_value
),

-- A slot is as long as the timeout: between two of its events no pause is longer. So
-- the events of a slot are summed first, and only slots must be sorted. A session that
-- the source tells is one slot, however long.
slots as (
    select
        stream_id,
        told_session,
        slot,
        min(occurred_at) as started_at,
        max(occurred_at) as ended_at,
        min_by(
            source || ':' || event_id,
            {{ ordering(['occurred_at', 'source', 'event_id']) }}
        ) as first_event,
        min_by(touchpoint, {{ ordering(['occurred_at', 'source', 'event_id']) }})
        filter (where touchpoint is not null) as first_touchpoint,
        min(customer_id) as least_customer_id,
        max(customer_id) as greatest_customer_id,
        count(*) as event_count,
        count(query) as search_count,
        count(product_id) as product_count,
        count(campaign_id) as campaign_count
    from streamed
    group by stream_id, told_session, slot
),

slots_paused as (
    select
        *,
        coalesce(
            started_at
            > lag(ended_at) over (
                partition by stream_id, told_session order by slot nulls last
            ) + interval '{{ timeout_minutes }}' minute,
            true
        ) as is_start
    from slots
),

slots_numbered as (
    select
        *,
        sum(case when is_start then 1 else 0 end) over (
            partition by stream_id, told_session
            order by slot nulls last
            rows between unbounded preceding and current row
        ) as session_number
    from slots_paused
),

sessions as (
    select
        stream_id,
        told_session,
        max(case when is_start then first_event end) as first_event,
        min_by(first_touchpoint, slot)
        filter (where first_touchpoint is not null) as first_touchpoint,
        case
            when min(least_customer_id) = max(greatest_customer_id)
                then min(least_customer_id)
        end as customer_id,
        min(started_at) as started_at,
        max(ended_at) as ended_at,
        cast(sum(event_count) as bigint) as event_count,
        cast(sum(search_count) as bigint) as search_count,
        cast(sum(product_count) as bigint) as product_count,
        cast(sum(campaign_count) as bigint) as campaign_count
    from slots_numbered
    group by stream_id, told_session, session_number
),

final as (
    select
        md5(stream_id || ':' || coalesce(told_session, first_event)) as session_id,
        stream_id,
        customer_id,
        started_at,
        ended_at,
        cast(
            floor(
                {{ epoch_seconds('ended_at') }}
                - {{ epoch_seconds('started_at') }}
            ) as bigint
        ) as duration_seconds,
        event_count,
        search_count,
        product_count,
        campaign_count,
        first_touchpoint,
        {{ as_of() }} as as_of_date
    from sessions
)

select * from final
