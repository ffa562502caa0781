{#- The step open_times, with those before it, for a model with a step `judged` of cases:
    for each moment of theirs the seconds that the company was open until then, since
    the day of the first one. `shifts` are var('business_hours'): weekdays (0 is Monday)
    with the minutes of the day from and to which the company is open, and holidays.
    Nothing where it has declared none. -#}
{% macro business_hours_of(shifts) -%}
{%- if shifts -%}
weekly_shifts as (
    {%- for weekday, opens, closes in shifts.shifts %}
    select {{ weekday }} as weekday, {{ opens }} as opens, {{ closes }} as closes
    {{- "\n    union all" if not loop.last }}
    {%- endfor %}
),

moments as (
    select distinct moment, {{ business_date('moment') }} as day
    from (
        select opened_at as moment from judged
        union all
        select responded_at as moment from judged
        union all
        select solved_at as moment from judged
    ) as times
    where moment is not null
),

first_day as (
    select min(day) as day from moments
),

steps as (
    {{ numbers(36525) }}
),

calendar as (
    select {{ add_days('first_day.day', '(steps.number - 1)') }} as day
    from first_day
    cross join steps
    where {{ add_days('first_day.day', '(steps.number - 1)') }} <= {{ as_of() }}
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
                order by day rows between unbounded preceding and 1 preceding
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

{% endif -%}
{%- endmacro %}

{#- The UTC instant of a day at which the company's clocks show that many minutes. -#}
{% macro moment_of_day(day, minutes) -%}
    {{ business_midnight(
        'cast(' ~ day ~ " as timestamp) + interval '1' minute * (" ~ minutes ~ ')'
    ) }}
{%- endmacro %}
