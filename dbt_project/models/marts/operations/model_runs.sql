with

model_runs as (
    select * from {{ source('kith', 'model_runs') }}
),

final as (
    select
        *,
        {{ as_of() }} as as_of_date
    from model_runs
)

select * from final
