{%- set limit_hours = var('complaint_response_hours') -%}
{%- set shifts = var('business_hours') -%}
with

tickets as (
    select * from {{ ref('feed_tickets') }}
),

identities as (
    select * from {{ ref('identities') }}
),

products as (
    select * from {{ ref('int_references_resolved') }}
    where kind = 'product'
),

tickets_identified as (
    select
        tickets.source,
        tickets.ticket_id,
        identities.customer_id,
        tickets.kind,
        coalesce(tickets.kind in ('complaint', 'claim'), false) as is_complaint,
        tickets.channel,
        tickets.reason,
        products.reference_key as product_key,
        tickets.product_id,
        tickets.employee_id,
        tickets.department,
        tickets.opened_at,
        tickets.first_response_at,
        tickets.resolved_at,
        tickets.is_reopened,
        tickets.reopen_count,
        tickets.is_within_sla
    from tickets
    left join identities
        on
            tickets.identifier_type = identities.identifier_type
            and tickets.identifier_value = identities.identifier_value
    left join products
        on
            tickets.source = products.source
            and tickets.product_id = products.reference_id
),

-- A time before the case was opened is a fault of the source, and none.
timed as (
    select
        *,
        count(first_response_at) over (partition by source) > 0
            as tells_first_responses,
        coalesce(first_response_at < opened_at, false)
        or coalesce(resolved_at < opened_at, false) as has_impossible_time,
        case when first_response_at >= opened_at then first_response_at end
            as responded_at,
        case when resolved_at >= opened_at then resolved_at end as solved_at
    from tickets_identified
),

answered as (
    select
        *,
        -- A solution is an answer.
        least(responded_at, solved_at) as answered_at,
        {{ hours_between('opened_at', as_of_at()) }} as age_hours,
        {{ hours_between('opened_at', 'responded_at') }} as response_hours,
        {{ hours_between('opened_at', 'solved_at') }} as resolution_hours,
        {{ hours_between('opened_at', 'least(responded_at, solved_at)') }}
            as answer_hours
    from timed
),

judged as (
    select
        *,
        case
            when answer_hours <= {{ limit_hours }} then true
            when has_impossible_time and answer_hours is null then null
            when not tells_first_responses then null
            when
                first_response_at is not null and responded_at is null then null
            when coalesce(answer_hours, age_hours) > {{ limit_hours }} then false
        end as is_answered_in_time
    from answered
),

{{ business_times(shifts) }},

final as (
    select
        judged.source,
        judged.ticket_id,
        judged.customer_id,
        judged.kind,
        judged.is_complaint,
        case
            when judged.resolved_at is not null then 'resolved'
            when judged.is_reopened then 'reopened'
            when judged.first_response_at is not null then 'answered'
            when judged.is_answered_in_time is null then 'open'
            else 'overdue'
        end as state,
        judged.channel,
        judged.reason,
        judged.product_key,
        judged.product_id,
        judged.employee_id,
        judged.department,
        judged.opened_at,
        {{ business_date('judged.opened_at') }} as opened_date,
        judged.first_response_at,
        judged.resolved_at,
        judged.response_hours,
        judged.resolution_hours,
        business_times.response_business_hours,
        business_times.resolution_business_hours,
        case
            when judged.first_response_at is null and judged.resolved_at is null
                then judged.age_hours
        end as waiting_hours,
        judged.is_answered_in_time,
        case
            when judged.is_answered_in_time is not null then null
            when judged.has_impossible_time
                then 'the source tells a time before it was opened'
            when judged.tells_first_responses then 'not due yet'
            else 'the source tells no first responses'
        end as missing_reason,
        case
            when judged.tells_first_responses and judged.solved_at is not null
                then
                    coalesce(judged.solved_at <= judged.responded_at, true)
                    and not coalesce(judged.is_reopened, false)
        end as is_first_contact_resolution,
        judged.is_reopened,
        judged.reopen_count,
        judged.is_within_sla,
        {{ as_of() }} as as_of_date
    from judged
    inner join business_times
        on
            judged.source = business_times.source
            and judged.ticket_id = business_times.ticket_id
)

select * from final
