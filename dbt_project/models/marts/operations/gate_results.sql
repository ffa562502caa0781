with

run as (
    select as_of_date
    from {{ source('kith', 'run') }}
),

gate_results as (
    select
        run_id,
        table_name,
        expectation,
        column_name,
        severity,
        outcome,
        observed,
        unexpected_count,
        row_count,
        sample,
        checked_at
    from {{ source('kith', 'gate_results') }}
),

final as (
    select
        gate_results.run_id,
        gate_results.table_name,
        gate_results.expectation,
        gate_results.column_name,
        gate_results.severity,
        gate_results.outcome,
        gate_results.observed,
        gate_results.unexpected_count,
        gate_results.row_count,
        gate_results.sample,
        gate_results.checked_at,
        run.as_of_date
    from gate_results
    cross join run
)

select * from final
