with

run as (
    select
        first_day,
        as_of_date
    from {{ source('kith', 'run') }}
),

source_tables as (
    select
        source_name,
        table_name,
        is_incremental
    from {{ source('kith', 'source_tables') }}
),

feeds_provided as (
    select
        feed,
        is_provided
    from {{ source('kith', 'feeds_provided') }}
),

admitted_days as (
    select
        source_name,
        table_name,
        day,
        row_count,
        quarantined_count,
        duplicate_count
    from {{ source('kith', 'admitted_days') }}
),

steps as (
    {{ numbers(36525) }}
),

calendar as (
    select {{ add_days('run.first_day', '(steps.number - 1)') }} as day
    from run
    inner join steps
        on {{ days_between('run.first_day', 'run.as_of_date') }} >= steps.number - 1
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
        source_tables.source_name,
        source_tables.table_name,
        run.as_of_date as day
    from source_tables
    cross join run
    where not source_tables.is_incremental
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

deliveries as (
    select
        days.source_name,
        days.table_name,
        days.day,
        case
            when admitted_days.row_count > 0 then 'arrived'
            when admitted_days.row_count = 0 then 'empty'
            else 'missing'
        end as status,
        coalesce(admitted_days.row_count, 0) as row_count,
        coalesce(admitted_days.quarantined_count, 0) as quarantined_count,
        coalesce(admitted_days.duplicate_count, 0) as duplicate_count
    from days
    left join admitted_days
        on
            days.source_name = admitted_days.source_name
            and days.table_name = admitted_days.table_name
            and days.day = admitted_days.day
    union all
    select
        'kith' as source_name,
        feeds_provided.feed as table_name,
        run.as_of_date as day,
        'feed_not_provided' as status,
        0 as row_count,
        0 as quarantined_count,
        0 as duplicate_count
    from feeds_provided
    cross join run
    where not feeds_provided.is_provided
),

final as (
    select
        deliveries.source_name,
        deliveries.table_name,
        deliveries.day,
        deliveries.status,
        deliveries.row_count,
        deliveries.quarantined_count,
        deliveries.duplicate_count,
        run.as_of_date
    from deliveries
    cross join run
)

select * from final
