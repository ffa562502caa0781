with

incidents as (
    select * from {{ source('kith', 'incidents') }}
),

final as (
    select
        incident_id,
        failure_class,
        thing,
        severity,
        owner,
        stage,
        nullif(item, '') as item,
        nullif(run_id, '') as run_id,
        from_day,
        to_day,
        cause,
        nullif(details, '') as details,
        nullif(rows, '') as failing_rows,
        nullif(file, '') as evidence_file,
        nullif(query, '') as evidence_query,
        release_id,
        release_as_of_date,
        is_fresh,
        effect,
        cure,
        runbook,
        first_seen_at,
        last_seen_at,
        failure_count,
        recovered_at,
        {{ as_of() }} as as_of_date
    from incidents
)

select * from final
