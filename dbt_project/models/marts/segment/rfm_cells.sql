with

rfm_segment_names as (
    select * from {{ ref('rfm_segment_names') }}
),

scored as (
    select
        r_score,
        f_score,
        m_score,
        count(*) as customer_count,
        sum(monetary_amount) as monetary_amount
    from {{ ref('rfm_scores') }}
    group by r_score, f_score, m_score
),

final as (
    select
        cast(
            100 * rfm_segment_names.r_score
            + 10 * rfm_segment_names.f_score
            + rfm_segment_names.m_score as string
        ) as rfm_cell,
        rfm_segment_names.r_score,
        rfm_segment_names.f_score,
        rfm_segment_names.m_score,
        rfm_segment_names.segment,
        coalesce(scored.customer_count, 0) as customer_count,
        cast(coalesce(scored.monetary_amount, 0) as decimal(18, 2)) as monetary_amount,
        {{ as_of() }} as as_of_date
    from rfm_segment_names
    left join scored
        on
            rfm_segment_names.r_score = scored.r_score
            and rfm_segment_names.f_score = scored.f_score
            and rfm_segment_names.m_score = scored.m_score
)

select * from final
