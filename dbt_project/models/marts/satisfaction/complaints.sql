{%- set limit_hours = var('complaint_response_hours') -%}
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

timed as (
    select
        *,
        count(first_response_at) over (partition by source) > 0
            as tells_first_responses,
        {{ hours_between('opened_at', 'first_response_at') }} as response_hours,
        {{ hours_between('opened_at', 'resolved_at') }} as resolution_hours,
        {{ hours_between('opened_at', as_of_at()) }} as age_hours,
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
        product_key,
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
        {{ as_of() }} as as_of_date
    from judged
)

select * from final
