with

states as (
    select * from {{ ref('int_customer_states') }}
    where is_latest
),

final as (
    select
        customer_id,
        activity_state as state,
        activity_method as method,
        first_order_date,
        last_order_date,
        days_since_last_order,
        median_gap_days,
        gap_count,
        gap_ratio,
        {{ as_of() }} as as_of_date
    from states
)

select * from final
