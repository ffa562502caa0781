{#- The step business_times, with those before it, for a model with a step `judged` of
    cases: of each the hours of business that answer and solution took. `shifts` are
    var('business_hours'): weekdays (0 is Monday) with the minutes of the day from and
    to which the company is open, and holidays. Without them no hours are known. -#}
{% macro business_times(shifts) -%}
{%- if shifts -%}
weekly_shifts as (
    {%- for shift in shifts.shifts %}
    select
        {{ shift[0] }} as weekday,
        {{ shift[1] or 0 }} as opens,
        {{ shift[2] or 0 }} as closes
    {{- "\n    union all" if not loop.last }}
    {%- endfor %}
),

moments as (
    select distinct moment, {{ business_date('moment') }} as day
    from (
        select opened_at as moment from judged
        union all
        select first_response_at as moment from judged
        union all
        select resolved_at as moment from judged
    ) as times
    where moment is not null
),

first_day as (
    select min(day) as day from moments
),

steps as (
    {{ numbers(36525) }}
),

-- Counted from its end, so that a case of 1900 takes no days from the others.
calendar as (
    select {{ add_days(as_of(), '(1 - steps.number)') }} as day
    from first_day
    cross join steps
    where {{ add_days(as_of(), '(1 - steps.number)') }} >= first_day.day
),

shifts as (
    select
        calendar.day,
        {{ moment_of_day('calendar.day', 'weekly_shifts.opens') }} as opens_at,
        {{ moment_of_day('calendar.day', 'weekly_shifts.closes') }} as closes_at
    from calendar
    inner join weekly_shifts
        on {{ days_between("date '1970-01-05'", 'calendar.day') }} % 7
        = weekly_shifts.weekday
    {%- if shifts.holidays %}
    where calendar.day not in (
        {%- for day in shifts.holidays %}
        date '{{ day }}'{{ "," if not loop.last }}
        {%- endfor %}
    )
    {%- endif %}
),

open_days as (
    select
        calendar.day,
        sum(coalesce(cast({{ epoch_seconds('shifts.closes_at') }}
            - {{ epoch_seconds('shifts.opens_at') }} as bigint), 0)) as open_seconds
    from calendar
    left join shifts on calendar.day = shifts.day
    group by calendar.day
),

days_before as (
    select
        day,
        coalesce(
            sum(open_seconds) over (
                order by day nulls last rows between unbounded preceding and 1 preceding
            ),
            0
        ) as open_seconds
    from open_days
),

open_times as (
    select
        moments.moment,
        cast(max(days_before.open_seconds) as double) + coalesce(
            {{ exact_sum(
                'greatest(' ~ epoch_seconds('least(moments.moment, shifts.closes_at)')
                ~ ' - ' ~ epoch_seconds('shifts.opens_at') ~ ', 0)'
            ) }},
            0
        ) as open_seconds
    from moments
    inner join days_before on moments.day = days_before.day
    left join shifts on moments.day = shifts.day
    group by moments.moment
),

business_times as (
    select
        judged.source,
        judged.ticket_id,
        (responded.open_seconds - opened.open_seconds) / 3600.0e0
            as response_business_hours,
        (solved.open_seconds - opened.open_seconds) / 3600.0e0
            as resolution_business_hours
    from judged
    left join open_times as opened on judged.opened_at = opened.moment
    left join open_times as responded on judged.first_response_at = responded.moment
    left join open_times as solved on judged.resolved_at = solved.moment
)
{%- else -%}
business_times as (
    select
        source,
        ticket_id,
        cast(null as double) as response_business_hours,
        cast(null as double) as resolution_business_hours
    from judged
)
{%- endif -%}
{%- endmacro %}

{#- The UTC instant of a day at which the company's clocks show that many minutes. -#}
{% macro moment_of_day(day, minutes) -%}
    {{ business_midnight(
        'cast(' ~ day ~ " as timestamp) + interval '1' minute * (" ~ minutes ~ ')'
    ) }}
{%- endmacro %}
