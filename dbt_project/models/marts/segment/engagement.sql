with

interactions as (
    select * from {{ ref('interactions') }}
),

sessions as (
    select * from {{ ref('sessions') }}
),

customer_months as (
    select * from {{ ref('customer_months') }}
),

-- By day and word first: few groups are left to fold.
traces as (
    select
        coalesce(channel, interaction_kind) as word,
        interaction_kind,
        customer_id,
        occurred_date as day,
        count(*) as trace_count
    from interactions
    group by coalesce(channel, interaction_kind), interaction_kind, customer_id, day
),

traces_counted as (
    select
        {{ folded('word') }} as channel,
        {{ month_of('day') }} as month,
        cast(sum(trace_count) as bigint) as interaction_count,
        cast(
            sum(case when interaction_kind = 'contact' then trace_count else 0 end)
            as bigint
        ) as message_count,
        cast(
            sum(
                case
                    when interaction_kind != 'contact' and customer_id is null
                        then trace_count
                    else 0
                end
            ) as bigint
        ) as unidentified_count
    from traces
    group by {{ folded('word') }}, {{ month_of('day') }}
),

-- A visit with twenty page views is one contact, on the day on which it began.
contacts as (
    select
        word,
        customer_id,
        day,
        trace_count as contact_count
    from traces
    where customer_id is not null and interaction_kind not in ('contact', 'event')
    union all
    select
        coalesce(first_touchpoint, 'event') as word,
        customer_id,
        {{ business_date('started_at') }} as day,
        1 as contact_count
    from sessions
    where customer_id is not null
),

channel_days as (
    select
        {{ folded('word') }} as channel,
        customer_id,
        day,
        sum(contact_count) as contact_count
    from contacts
    group by {{ folded('word') }}, customer_id, day
),

days as (
    select
        'channel' as breakdown,
        channel,
        customer_id,
        day,
        contact_count
    from channel_days
    union all
    select
        'total' as breakdown,
        'all' as channel,
        customer_id,
        day,
        sum(contact_count) as contact_count
    from channel_days
    group by customer_id, day
),

-- An active day counts for the seven days that end with it or up to six days later,
-- until the next active day does. The first week that lies whole in the data ends on
-- their seventh day.
days_followed as (
    select
        breakdown,
        channel,
        customer_id,
        day,
        contact_count,
        {{ month_of('day') }} as month,
        {{ add_days(add_months(month_of('day'), 1), -1) }} as month_end,
        greatest(day, {{ add_days(first_day(), 6) }}) as week_from,
        least(
            {{ add_days('day', 6) }},
            {{ add_days(
                'lead(day) over (partition by breakdown, channel, customer_id '
                ~ 'order by day nulls last)',
                -1,
            ) }}
        ) as week_to
    from days
),

customer_sums as (
    select
        breakdown,
        channel,
        customer_id,
        month,
        count(*) as active_day_count,
        sum(contact_count) as contact_count,
        count(*) filter (where contact_count >= 3) as three_contacts_day_count,
        sum(
            greatest(
                {{ days_between('week_from', 'least(week_to, month_end)') }} + 1, 0
            )
        ) as week_day_count,
        sum(
            greatest(
                {{ days_between(
                    'greatest(month_end, ' ~ add_days('week_from', -1) ~ ')', 'week_to'
                ) }},
                0
            )
        ) as next_week_day_count
    from days_followed
    group by breakdown, channel, customer_id, month
),

sums as (
    select
        breakdown,
        channel,
        month,
        count(*) as customer_count,
        cast(sum(active_day_count) as bigint) as active_day_count,
        cast(sum(contact_count) as bigint) as contact_count,
        cast(sum(three_contacts_day_count) as bigint) as three_contacts_day_count,
        sum(week_day_count) as week_day_count,
        sum(next_week_day_count) as next_week_day_count
    from customer_sums
    group by breakdown, channel, month
),

beginning as (
    select min(month) as month
    from traces_counted
),

months as (
    select distinct
        customer_months.month,
        customer_months.is_complete,
        {{ add_days(add_months('customer_months.month', 1), -1) }} as month_end
    from customer_months
    inner join beginning on customer_months.month >= beginning.month
),

channels as (
    select distinct channel
    from traces_counted
),

cells as (
    select
        'channel' as breakdown,
        channels.channel,
        months.month,
        months.month_end,
        months.is_complete,
        coalesce(traces_counted.interaction_count, 0) as interaction_count,
        coalesce(traces_counted.message_count, 0) as message_count,
        coalesce(traces_counted.unidentified_count, 0) as unidentified_count
    from months
    cross join channels
    left join traces_counted
        on
            months.month = traces_counted.month
            and channels.channel = traces_counted.channel
),

all_cells as (
    select * from cells
    union all
    select
        'total' as breakdown,
        'all' as channel,
        month,
        month_end,
        is_complete,
        cast(sum(interaction_count) as bigint) as interaction_count,
        cast(sum(message_count) as bigint) as message_count,
        cast(sum(unidentified_count) as bigint) as unidentified_count
    from cells
    group by month, month_end, is_complete
),

averaged as (
    select
        all_cells.month,
        all_cells.breakdown,
        all_cells.channel,
        all_cells.is_complete,
        all_cells.interaction_count,
        all_cells.message_count,
        all_cells.unidentified_count,
        coalesce(sums.contact_count, 0) as contact_count,
        coalesce(sums.active_day_count, 0) as active_day_count,
        coalesce(sums.three_contacts_day_count, 0) as three_contacts_day_count,
        coalesce(sums.customer_count, 0) as customer_count,
        cast(coalesce(sums.active_day_count, 0) as double)
        / ({{ days_between('all_cells.month', 'all_cells.month_end') }} + 1)
            as daily_active_average,
        cast(
            coalesce(sums.week_day_count, 0)
            + coalesce(sums_before.next_week_day_count, 0) as double
        )
        / (
            {{ days_between(
                'greatest(all_cells.month, ' ~ add_days(first_day(), 6) ~ ')',
                'all_cells.month_end',
            ) }} + 1
        ) as weekly_active_average
    from all_cells
    left join sums
        on
            all_cells.breakdown = sums.breakdown
            and all_cells.channel = sums.channel
            and all_cells.month = sums.month
    left join sums as sums_before
        on
            all_cells.breakdown = sums_before.breakdown
            and all_cells.channel = sums_before.channel
            and {{ add_months('all_cells.month', -1) }} = sums_before.month
),

final as (
    select
        month,
        breakdown,
        channel,
        is_complete,
        interaction_count,
        message_count,
        unidentified_count,
        contact_count,
        active_day_count,
        three_contacts_day_count,
        case when is_complete then daily_active_average end as daily_active_average,
        case when is_complete then weekly_active_average end as weekly_active_average,
        case when is_complete then customer_count end as monthly_active_count,
        case
            when is_complete then 100 * daily_active_average / nullif(customer_count, 0)
        end as daily_to_monthly_pct,
        case
            when is_complete
                then 100 * daily_active_average / nullif(weekly_active_average, 0)
        end as daily_to_weekly_pct,
        case
            when is_complete
                then cast(contact_count as double) / nullif(active_day_count, 0)
        end as contacts_per_active_day,
        case
            when is_complete
                then
                    100 * cast(three_contacts_day_count as double)
                    / nullif(active_day_count, 0)
        end as three_contacts_pct,
        case
            when not is_complete then 'not all days of the month lie in the data'
            when customer_count = 0 then 'no customer was active'
        end as missing_reason,
        customer_count as n,
        'days, weeks of seven days to each day, calendar months, {{ var("time_zone") }}'
            as method,
        {{ as_of() }} as as_of_date
    from averaged
)

select * from final
