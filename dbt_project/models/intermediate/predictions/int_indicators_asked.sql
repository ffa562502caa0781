with

asked as (
    select
        observed_on,
        customer_id
    from {{ ref('int_outcomes') }}
    where role != 'score' and place <= 20000
),

final as (
    select *
    from {{ ref('int_indicators') }} as indicators
    where
        exists (
            select 1
            from asked
            where
                indicators.observed_on = asked.observed_on
                and indicators.customer_id = asked.customer_id
        )
)

select * from final
