with

numbered as (
    {{ numbers(36525) }}
),

days as (
    select {{ add_days(first_day(), '(numbered.number - 1)') }} as day
    from numbered
),

final as (
    select
        day,
        {{ as_of() }} as as_of_date
    from days
    where day <= {{ as_of() }}
)

select * from final
