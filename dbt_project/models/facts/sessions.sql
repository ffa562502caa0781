{%- set in_order -%}
    partition by stream_id
    order by occurred_at, source, event_id
{%- endset -%}
with

run as (
    select
        as_of_date,
        as_of_at
    from {{ source('kith', 'run') }}
),

events as (
    select
        source,
        event_id,
        identifier_type,
        identifier_value,
        occurred_at,
        touchpoint,
        product_id,
        query,
        campaign_id,
        device_id
    from {{ ref('events') }}
),

identities as (
    select
        identifier_type,
        identifier_value,
        customer_id
    from {{ ref('identities') }}
),

-- An event without device and person is a stream of its own: nothing says that two
-- strangers are one.
streamed as (
    select
        case
            when events.device_id is not null
                then 'device:' || events.device_id
            when identities.customer_id is not null
                then events.identifier_type || ':' || events.identifier_value
            else 'event:' || events.source || ':' || events.event_id
        end as stream_id,
        events.source,
        events.event_id,
        identities.customer_id,
        events.occurred_at,
        events.touchpoint,
        events.product_id,
        events.query,
        events.campaign_id
    from events
    cross join run
    left join identities
        on
            events.identifier_type = identities.identifier_type
            and events.identifier_value = identities.identifier_value
    where events.occurred_at < run.as_of_at
),

started as (
    select
        stream_id,
        source,
        event_id,
        customer_id,
        occurred_at,
        touchpoint,
        product_id,
        query,
        campaign_id,
        coalesce(
            occurred_at
            > lag(occurred_at) over ({{ in_order }})
            + interval '{{ var("session_timeout_minutes") }}' minute,
            true
        ) as is_start
    from streamed
),

numbered as (
    select
        stream_id,
        source,
        event_id,
        customer_id,
        occurred_at,
        touchpoint,
        product_id,
        query,
        campaign_id,
        is_start,
        sum(case when is_start then 1 else 0 end) over (
            {{ in_order }}
            rows between unbounded preceding and current row
        ) as session_number
    from started
),

sessions as (
    select
        stream_id,
        session_number,
        max(case when is_start then source end) as first_source,
        max(case when is_start then event_id end) as first_event_id,
        max(case when is_start then touchpoint end) as first_touchpoint,
        case when min(customer_id) = max(customer_id) then min(customer_id) end
            as customer_id,
        min(occurred_at) as started_at,
        max(occurred_at) as ended_at,
        count(*) as event_count,
        count(query) as search_count,
        count(distinct product_id) as product_count,
        count(distinct campaign_id) as campaign_count
    from numbered
    group by stream_id, session_number
),

final as (
    select
        md5(
            sessions.stream_id
            || ':' || sessions.first_source
            || ':' || sessions.first_event_id
        ) as session_id,
        sessions.stream_id,
        sessions.customer_id,
        sessions.started_at,
        sessions.ended_at,
        cast(
            {{ dbt.datediff('sessions.started_at', 'sessions.ended_at', 'second') }}
            as bigint
        ) as duration_seconds,
        sessions.event_count,
        sessions.search_count,
        sessions.product_count,
        sessions.campaign_count,
        sessions.first_touchpoint,
        run.as_of_date
    from sessions
    cross join run
)

select * from final
