with

run as (
    select as_of_date
    from {{ source('kith', 'run') }}
),

quarantined_rows as (
    select
        source_name,
        table_name,
        file,
        row_number,
        column_name,
        reason,
        value,
        expected,
        payload_hash,
        day
    from {{ source('kith', 'quarantined_rows') }}
),

final as (
    select
        quarantined_rows.source_name,
        quarantined_rows.table_name,
        quarantined_rows.file,
        quarantined_rows.row_number,
        quarantined_rows.column_name,
        quarantined_rows.reason,
        quarantined_rows.value,
        quarantined_rows.expected,
        quarantined_rows.payload_hash,
        quarantined_rows.day,
        run.as_of_date
    from quarantined_rows
    cross join run
)

select * from final
