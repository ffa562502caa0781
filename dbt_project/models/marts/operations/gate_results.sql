with

gate_results as (
    select * from {{ source('kith', 'gate_results') }}
),

final as (
    select
        *,
        {{ as_of() }} as as_of_date
    from gate_results
)

select * from final
