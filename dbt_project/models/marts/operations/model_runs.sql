with

run as (
    select as_of_date
    from {{ source('kith', 'run') }}
),

model_runs as (
    select * from {{ source('kith', 'model_runs') }}
),

final as (
    select
        model_runs.run_id,
        model_runs.node_name,
        model_runs.resource_type,
        model_runs.status,
        model_runs.seconds,
        model_runs.row_count,
        model_runs.failing_row_count,
        model_runs.started_at,
        run.as_of_date
    from model_runs
    cross join run
)

select * from final
