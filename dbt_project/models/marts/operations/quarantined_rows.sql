with

quarantined_rows as (
    select * from {{ source('kith', 'quarantined_rows') }}
),

final as (
    select
        *,
        {{ as_of() }} as as_of_date
    from quarantined_rows
)

select * from final
