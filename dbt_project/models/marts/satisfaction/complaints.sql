{%- set limit_hours = var('complaint_response_hours') -%}
with

run as (
    select
        as_of_date,
        as_of_at
    from {{ source('kith', 'run') }}
),

tickets as (
    select
        feed.source,
        feed.ticket_id,
        feed.identifier_type,
        feed.identifier_value,
        feed.opened_at,
        feed.first_response_at,
        feed.resolved_at,
        feed.channel,
        feed.kind,
        feed.reason,
        feed.product_id,
        feed.employee_id,
        feed.department,
        feed.is_reopened,
        feed.reopen_count,
        feed.is_within_sla,
        run.as_of_date,
        run.as_of_at,
        coalesce(feed.first_response_at >= run.as_of_at, false)
        or coalesce(feed.resolved_at >= run.as_of_at, false) as goes_on_later
    from {{ ref('feed_tickets') }} as feed
    cross join run
    where feed.opened_at < run.as_of_at
),

identities as (
    select
        identifier_type,
        identifier_value,
        customer_id
    from {{ ref('identities') }}
),

-- What happened after the as-of date is not known yet; when it was reopened, nobody
-- says.
tickets_known as (
    select
        tickets.source,
        tickets.ticket_id,
        identities.customer_id,
        tickets.kind,
        coalesce(tickets.kind in ('complaint', 'claim'), false) as is_complaint,
        tickets.channel,
        tickets.reason,
        tickets.product_id,
        tickets.employee_id,
        tickets.department,
        tickets.opened_at,
        case
            when tickets.first_response_at < tickets.as_of_at
                then tickets.first_response_at
        end as first_response_at,
        case when tickets.resolved_at < tickets.as_of_at then tickets.resolved_at end
            as resolved_at,
        case when not tickets.goes_on_later then tickets.is_reopened end as is_reopened,
        case when not tickets.goes_on_later then tickets.reopen_count end
            as reopen_count,
        case when not tickets.goes_on_later then tickets.is_within_sla end
            as is_within_sla,
        tickets.as_of_date,
        tickets.as_of_at
    from tickets
    left join identities
        on
            tickets.identifier_type = identities.identifier_type
            and tickets.identifier_value = identities.identifier_value
),

timed as (
    select
        *,
        count(first_response_at) over (partition by source) > 0
            as tells_first_responses,
        {{ hours_between('opened_at', 'first_response_at') }} as response_hours,
        {{ hours_between('opened_at', 'resolved_at') }} as resolution_hours,
        {{ hours_between('opened_at', 'as_of_at') }} as age_hours,
        -- Who is helped has been answered.
        {{ hours_between('opened_at', 'least(first_response_at, resolved_at)') }}
            as answer_hours
    from tickets_known
),

judged as (
    select
        *,
        case
            when answer_hours <= {{ limit_hours }} then true
            when tells_first_responses and answer_hours > {{ limit_hours }} then false
            when tells_first_responses and age_hours > {{ limit_hours }} then false
        end as is_answered_in_time
    from timed
),

final as (
    select
        source,
        ticket_id,
        customer_id,
        kind,
        is_complaint,
        case
            when resolved_at is not null then 'resolved'
            when is_reopened then 'reopened'
            when answer_hours is not null then 'answered'
            when is_answered_in_time is null then 'open'
            else 'overdue'
        end as state,
        channel,
        reason,
        product_id,
        employee_id,
        department,
        opened_at,
        {{ business_date('opened_at') }} as opened_date,
        first_response_at,
        resolved_at,
        response_hours,
        resolution_hours,
        is_answered_in_time,
        case
            when is_answered_in_time is not null then null
            when tells_first_responses then 'not due yet'
            else 'the source tells no first responses'
        end as missing_reason,
        is_reopened,
        reopen_count,
        is_within_sla,
        as_of_date
    from judged
)

select * from final
