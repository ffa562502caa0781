{#- What each feed tells of employees. -#}
{%- set feeds = {
    'assignments': {'at': 'valid_from', 'department': 'department'},
    'tickets': {'at': 'opened_at', 'department': 'department'},
    'contacts': {'at': 'sent_at'},
    'leads': {'at': 'created_at'},
} -%}
with

{% for feed, columns in feeds.items() %}
{{ feed }} as (
    select
        employee_id,
        {{ columns.get('department', 'cast(null as string)') }} as department,
        '{{ feed }}' as feed,
        {{ columns.at }} as began_at,
        {{ 'coalesce(valid_to, ' ~ as_of_at() ~ ')' if feed == 'assignments'
            else columns.at }} as ended_at
    from {{ ref('feed_' ~ feed) }}
    where employee_id is not null
),

{% endfor %}
all_traces as (
    {% for feed in feeds %}
    select * from {{ feed }}
    {{ "union all" if not loop.last }}
    {% endfor %}
),

by_department as (
    select
        employee_id,
        department,
        min(began_at) as began_at,
        max(began_at) as last_began_at,
        max(ended_at) as ended_at,
        {% for feed in feeds %}
        count(*) filter (where feed = '{{ feed }}') as {{ feed }}_count,
        {% endfor %}
        count(*) as trace_count
    from all_traces
    group by employee_id, department
),

summed as (
    select
        employee_id,
        max_by(department, {{ ordering(['last_began_at', 'department']) }})
        filter (where department is not null) as department,
        count(department) as department_count,
        min(began_at) as first_seen_at,
        max(ended_at) as last_seen_at,
        {% for feed in feeds %}
        cast(sum({{ feed }}_count) as bigint) as {{ feed }}_count,
        {% endfor %}
        cast(sum(trace_count) as bigint) as trace_count
    from by_department
    group by employee_id
),

final as (
    select
        summed.employee_id,
        summed.department,
        {{ business_date('by_department.began_at') }} as department_since_date,
        summed.department_count,
        {{ business_date('summed.first_seen_at') }} as first_seen_date,
        least({{ business_date('summed.last_seen_at') }}, {{ as_of() }})
            as last_seen_date,
        summed.assignments_count as assignment_count,
        summed.tickets_count as ticket_count,
        summed.contacts_count as contact_count,
        summed.leads_count as lead_count,
        {{ as_of() }} as as_of_date
    from summed
    left join by_department
        on
            summed.employee_id = by_department.employee_id
            and summed.department = by_department.department
)

select * from final
