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

-- A time before the case was opened is a fault of the source, and none.
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
        case
            when tickets.first_response_at >= tickets.opened_at
                then tickets.first_response_at
        end as first_response_at,
        case when tickets.resolved_at >= tickets.opened_at then tickets.resolved_at end
            as resolved_at,
        coalesce(tickets.first_response_at < tickets.opened_at, false)
            as has_impossible_response,
        coalesce(tickets.resolved_at < tickets.opened_at, false)
            as has_impossible_solution,
        -- Sources tell it by a flag, by a count, or by both.
        case
            when tickets.is_reopened or tickets.reopen_count > 0 then true
            else coalesce(tickets.is_reopened, tickets.reopen_count > 0)
        end as is_reopened,
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

timed as (
    select
        *,
        count(first_response_at) over (partition by source) > 0
            as tells_first_responses,
        {{ hours_between('opened_at', as_of_at()) }} as age_hours,
        {{ hours_between('opened_at', 'first_response_at') }} as response_hours,
        {{ hours_between('opened_at', 'resolved_at') }} as resolution_hours,
        -- A solution is an answer.
        {{ hours_between('opened_at', 'least(first_response_at, resolved_at)') }}
            as answer_hours
    from tickets_identified
),

judged as (
    select
        *,
        case
            when answer_hours <= {{ limit_hours }} then true
            when not tells_first_responses then null
            when coalesce(answer_hours, age_hours) > {{ limit_hours }} then false
        end as is_answered_in_time
    from timed
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
            when judged.has_impossible_response or judged.has_impossible_solution
                then 'the source tells a time before it was opened'
            when judged.is_answered_in_time is not null then null
            when judged.tells_first_responses then 'not due yet'
            else 'the source tells no first responses'
        end as missing_reason,
        case
            -- Somebody answered, and nobody knows when.
            when judged.has_impossible_response then null
            when judged.tells_first_responses and judged.resolved_at is not null
                then
                    coalesce(judged.resolved_at <= judged.first_response_at, true)
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
