with

restatements as (
    select * from {{ source('kith', 'restatements') }}
),

final as (
    select
        *,
        {{ as_of() }} as as_of_date
    from restatements
)

select * from final
