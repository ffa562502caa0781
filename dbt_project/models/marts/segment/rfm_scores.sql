with

scored as (
    select * from {{ ref('int_rfm_scored') }}
    where window_end = {{ as_of() }}
),

final as (
    select
        customer_id,
        recency_days,
        frequency_count,
        monetary_amount,
        r_score,
        f_score,
        m_score,
        rfm_cell,
        segment,
        recency_is_high,
        frequency_is_high,
        monetary_is_high,
        value_type,
        window_start,
        window_end,
        {{ as_of() }} as as_of_date
    from scored
)

select * from final
