with

source_tables as (
    select * from {{ source('kith', 'source_tables') }}
),

feeds_provided as (
    select * from {{ source('kith', 'feeds_provided') }}
),

admitted_days as (
    select * from {{ source('kith', 'admitted_days') }}
),

steps as (
    {{ numbers(36525) }}
),

calendar as (
    select {{ add_days(first_day(), '(number - 1)') }} as day
    from steps
    where number - 1 <= {{ days_between(first_day(), as_of()) }}
),

expected_days as (
    select
        source_tables.source_name,
        source_tables.table_name,
        calendar.day
    from source_tables
    cross join calendar
    where source_tables.is_incremental
    union all
    select
        source_name,
        table_name,
        {{ as_of() }} as day
    from source_tables
    where not is_incremental
),

-- Days before the company's first one may be delivered as well.
days as (
    select
        source_name,
        table_name,
        day
    from expected_days
    union distinct
    select
        source_name,
        table_name,
        day
    from admitted_days
),

counted as (
    select
        days.source_name,
        days.table_name,
        days.day,
        admitted_days.row_count is not null as is_delivered,
        expected_days.day is not null as is_expected,
        coalesce(admitted_days.row_count, 0) as row_count,
        coalesce(admitted_days.quarantined_count, 0) as quarantined_count,
        coalesce(admitted_days.duplicate_count, 0) as duplicate_count,
        coalesce(admitted_days.late_count, 0) as late_count,
        coalesce(admitted_days.out_of_window_count, 0) as out_of_window_count,
        coalesce(admitted_days.outside_count, 0) as outside_count,
        max(admitted_days.newest_at) over (
            partition by days.source_name, days.table_name
            order by days.day nulls last
            rows between unbounded preceding and current row
        ) as newest_at
    from days
    left join expected_days
        on
            days.source_name = expected_days.source_name
            and days.table_name = expected_days.table_name
            and days.day = expected_days.day
    left join admitted_days
        on
            days.source_name = admitted_days.source_name
            and days.table_name = admitted_days.table_name
            and days.day = admitted_days.day
),

aged as (
    select
        counted.source_name,
        counted.table_name,
        counted.day,
        counted.is_expected,
        case
            when counted.row_count + counted.duplicate_count > 0 then 'arrived'
            when counted.is_delivered then 'empty'
            when counted.is_expected then 'missing'
            else 'not_expected'
        end as status,
        counted.row_count,
        counted.quarantined_count,
        counted.duplicate_count,
        counted.late_count,
        counted.out_of_window_count,
        counted.outside_count,
        case
            when
                100.0 * counted.out_of_window_count
                > source_tables.late_limit_pct * (
                    counted.row_count
                    + counted.quarantined_count
                    + counted.duplicate_count
                    + counted.out_of_window_count
                )
                then 'warning'
            else 'none'
        end as late_alert,
        source_tables.is_incremental,
        source_tables.warn_after_hours,
        source_tables.error_after_hours,
        {{ hours_between(
            'counted.newest_at', business_midnight(add_days('counted.day', 1))
        ) }} as newest_row_age_hours
    from counted
    inner join source_tables
        on
            counted.source_name = source_tables.source_name
            and counted.table_name = source_tables.table_name
),

deliveries as (
    select
        source_name,
        table_name,
        day,
        is_expected,
        status,
        row_count,
        quarantined_count,
        duplicate_count,
        late_count,
        out_of_window_count,
        outside_count,
        late_alert,
        newest_row_age_hours,
        -- A table without any row counts as older than any limit.
        case
            when not is_incremental then null
            when
                error_after_hours < newest_row_age_hours
                or (error_after_hours is not null and newest_row_age_hours is null)
                then 'error'
            when
                warn_after_hours < newest_row_age_hours
                or (warn_after_hours is not null and newest_row_age_hours is null)
                then 'warn'
            when coalesce(warn_after_hours, error_after_hours) is not null then 'fresh'
        end as freshness
    from aged
    union all
    select
        'kith' as source_name,
        feed as table_name,
        {{ as_of() }} as day,
        false as is_expected,
        'feed_not_provided' as status,
        0 as row_count,
        0 as quarantined_count,
        0 as duplicate_count,
        0 as late_count,
        0 as out_of_window_count,
        0 as outside_count,
        'none' as late_alert,
        null as newest_row_age_hours,
        null as freshness
    from feeds_provided
    where not is_provided
),

final as (
    select
        source_name,
        table_name,
        day,
        is_expected,
        status,
        row_count,
        quarantined_count,
        duplicate_count,
        late_count,
        out_of_window_count,
        outside_count,
        late_alert,
        newest_row_age_hours,
        freshness,
        {{ as_of() }} as as_of_date
    from deliveries
)

select * from final
