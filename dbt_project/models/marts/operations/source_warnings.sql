with

source_warnings as (
    select * from {{ source('kith', 'source_warnings') }}
),

final as (
    select
        *,
        {{ as_of() }} as as_of_date
    from source_warnings
)

select * from final
