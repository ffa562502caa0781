with

run as (
    select as_of_date
    from {{ source('kith', 'run') }}
),

publications as (
    select
        release_id,
        run_id,
        published_at,
        from_day,
        to_day,
        data_as_of,
        git_commit,
        mart_count,
        row_count,
        failed_warning_count
    from {{ source('kith', 'publications') }}
),

final as (
    select
        publications.release_id,
        publications.run_id,
        publications.published_at,
        publications.from_day,
        publications.to_day,
        publications.data_as_of,
        publications.git_commit,
        publications.mart_count,
        publications.row_count,
        publications.failed_warning_count,
        run.as_of_date
    from publications
    cross join run
)

select * from final
