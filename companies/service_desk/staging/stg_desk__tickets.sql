with

events as (
    select * from {{ source('desk', 'incident_events') }}
),

newest_events as (
    select *
    from events
    qualify
        row_number() over (
            partition by number order by sys_updated_at desc, sys_mod_count desc
        ) = 1
),

-- From what had happened, since the log writes the end of a case on its first event.
steps as (
    select
        number,
        min(case when incident_state != 'New' then sys_updated_at end) as taken_up_at,
        max(case when incident_state = 'Resolved' then sys_updated_at end)
            as resolved_at,
        max(case when incident_state = 'Closed' then sys_updated_at end) as closed_at
    from events
    group by number
),

final as (
    select
        'desk' as source,
        newest_events.number as ticket_id,
        {{ identified_by({'caller': 'newest_events.caller_id'}) }},
        newest_events.opened_at,
        greatest(steps.taken_up_at, newest_events.opened_at) as first_response_at,
        case
            when newest_events.incident_state in ('Resolved', 'Closed')
                then coalesce(steps.resolved_at, steps.closed_at)
        end as resolved_at,
        {{ code_label('newest_events.contact_type', {
            'Phone': 'phone',
            'Self service': 'web',
            'Email': 'email',
            'IVR': 'phone_menu',
            'Direct opening': 'desk',
        }, 'newest_events.contact_type') }} as channel,
        'repair' as kind,
        newest_events.category as reason,
        newest_events.assigned_to as employee_id,
        newest_events.assignment_group as department,
        newest_events.reopen_count > 0 as is_reopened,
        newest_events.reopen_count,
        newest_events.made_sla as is_within_sla,
        newest_events.loaded_at
    from newest_events
    inner join steps on newest_events.number = steps.number
)

select * from final
