with

publications as (
    select * from {{ source('kith', 'publications') }}
),

final as (
    select
        *,
        {{ as_of() }} as as_of_date
    from publications
)

select * from final
