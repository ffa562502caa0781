{#- Ages in whole days of what is open, from and below. -#}
{%- set ages = {
    'open_to_1_day_count': [0, 2],
    'open_2_to_7_days_count': [2, 8],
    'open_8_to_30_days_count': [8, 31],
    'open_over_30_days_count': [31, none],
} -%}
{%- set figures = ['opened_count', 'resolved_count', 'overdue_count']
    + ages.keys() | list -%}
with

complaints as (
    {{ cases_and_what_is_told() }}
),

-- Where no solutions are told, each case would be open for ever.
told as (
    select
        coalesce(kind, 'not_stated') as kind,
        opened_date,
        {{ business_date('resolved_at') }} as resolved_date,
        {{ business_date('least(first_response_at, resolved_at)') }} as answered_date,
        {{ business_date(
            'opened_at + interval \'1\' hour * ' ~ var('complaint_response_hours')
        ) }} as due_date,
        tells_first_responses,
        first_response_at is null and resolved_at is null as is_unanswered,
        resolved_at is null as is_open
    from complaints
    where tells_solutions
),

cases as (
    select * from told
    union all
    select
        'all' as kind,
        opened_date,
        resolved_date,
        answered_date,
        due_date,
        tells_first_responses,
        is_unanswered,
        is_open
    from told
),

-- What a case changes on a day, against the end of the day before.
changes as (
    select
        kind,
        opened_date as day,
        'opened_count' as figure,
        1 as change
    from cases
    union all
    select
        kind,
        resolved_date as day,
        'resolved_count' as figure,
        1 as change
    from cases
    where not is_open
    {% for figure, (from_days, to_days) in ages.items() %}
    union all
    select
        kind,
        {{ add_days('opened_date', from_days) }} as day,
        '{{ figure }}' as figure,
        1 as change
    from cases
    where is_open or {{ add_days('opened_date', from_days) }} < resolved_date
    union all
    select
        kind,
        {{ "least(resolved_date, " ~ add_days('opened_date', to_days) ~ ")"
            if to_days else "resolved_date" }} as day,
        '{{ figure }}' as figure,
        -1 as change
    from cases
    where is_open or {{ add_days('opened_date', from_days) }} < resolved_date
    {% endfor %}
    union all
    select
        kind,
        due_date as day,
        'overdue_count' as figure,
        1 as change
    from cases
    where tells_first_responses and (is_unanswered or due_date < answered_date)
    union all
    select
        kind,
        answered_date as day,
        'overdue_count' as figure,
        -1 as change
    from cases
    where tells_first_responses and not is_unanswered and due_date < answered_date
),

-- What changed before the company's first day is there when that day begins: one case
-- of 1900 would else be a century of days.
changes_placed as (
    select
        kind,
        greatest(day, {{ first_day() }}) as day,
        figure,
        change
    from changes
    where day is not null
),

changed as (
    select
        {% for figure in figures %}
        sum(case when figure = '{{ figure }}' then change else 0 end) as {{ figure }},
        {% endfor %}
        kind,
        day
    from changes_placed
    group by kind, day
),

kinds_opened as (
    select
        kind,
        min(opened_date) as first_date,
        max(case when tells_first_responses then 1 else 0 end) = 1 as tells_overdue
    from cases
    group by kind
),

kinds as (
    select
        kind,
        greatest(first_date, {{ first_day() }}) as first_date,
        tells_overdue
    from kinds_opened
),

steps as (
    {{ numbers(36525) }}
),

calendar as (
    select
        kinds.kind,
        kinds.tells_overdue,
        {{ add_days('kinds.first_date', '(steps.number - 1)') }} as day
    from kinds
    cross join steps
    where steps.number - 1 <= {{ days_between('kinds.first_date', as_of()) }}
),

final as (
    select
        calendar.day,
        calendar.kind,
        cast(coalesce(changed.opened_count, 0) as bigint) as opened_count,
        cast(coalesce(changed.resolved_count, 0) as bigint) as resolved_count,
        cast(
            sum(
                coalesce(changed.opened_count, 0) - coalesce(changed.resolved_count, 0)
            ) over (
                partition by calendar.kind order by calendar.day nulls last
            ) as bigint
        ) as open_count,
        {% for figure in ages %}
        cast(
            sum(coalesce(changed.{{ figure }}, 0)) over (
                partition by calendar.kind order by calendar.day nulls last
            ) as bigint
        ) as {{ figure }},
        {% endfor %}
        case
            when calendar.tells_overdue
                then
                    cast(
                        sum(coalesce(changed.overdue_count, 0)) over (
                            partition by calendar.kind order by calendar.day nulls last
                        ) as bigint
                    )
        end as overdue_count,
        {{ as_of() }} as as_of_date
    from calendar
    left join changed
        on
            calendar.kind = changed.kind
            and calendar.day = changed.day
)

select * from final
