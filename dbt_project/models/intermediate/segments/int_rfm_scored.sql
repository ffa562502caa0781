with

purchases as (
    select
        customer_id,
        state_on as window_end,
        {{ days_between('last_order_date', 'state_on') }} as recency_days,
        frequency_count,
        monetary_amount
    from {{ ref('int_customer_windows') }}
    where may_be_scored and frequency_count > 0
),

cut_points as (
    select * from {{ ref('int_rfm_cut_points') }}
),

rfm_segment_names as (
    select * from {{ ref('rfm_segment_names') }}
),

scored as (
    select
        purchases.customer_id,
        purchases.recency_days,
        purchases.frequency_count,
        purchases.monetary_amount,
        5 - {{ cuts_below('purchases.recency_days', 'recency') }} as r_score,
        1 + {{ cuts_below('purchases.frequency_count', 'frequency') }} as f_score,
        1 + {{ cuts_below('purchases.monetary_amount', 'monetary') }} as m_score,
        -- Not with the mean, which is rounded.
        purchases.recency_days * recency.n <= recency.sum_value as recency_is_high,
        purchases.frequency_count * frequency.n >= frequency.sum_value
            as frequency_is_high,
        purchases.monetary_amount * monetary.n >= monetary.sum_value
            as monetary_is_high,
        recency.window_start,
        purchases.window_end
    from purchases
    inner join cut_points as recency
        on
            purchases.window_end = recency.window_end
            and recency.dimension = 'recency_days'
    inner join cut_points as frequency
        on
            purchases.window_end = frequency.window_end
            and frequency.dimension = 'frequency_count'
    inner join cut_points as monetary
        on
            purchases.window_end = monetary.window_end
            and monetary.dimension = 'monetary_amount'
),

final as (
    select
        scored.customer_id,
        cast(scored.recency_days as bigint) as recency_days,
        scored.frequency_count,
        scored.monetary_amount,
        cast(scored.r_score as bigint) as r_score,
        cast(scored.f_score as bigint) as f_score,
        cast(scored.m_score as bigint) as m_score,
        cast(100 * scored.r_score + 10 * scored.f_score + scored.m_score as string)
            as rfm_cell,
        rfm_segment_names.segment,
        scored.recency_is_high,
        scored.frequency_is_high,
        scored.monetary_is_high,
        case
            when scored.monetary_is_high
                then
                    case
                        when scored.recency_is_high and scored.frequency_is_high
                            then 'Important value'
                        when scored.recency_is_high then 'Important to develop'
                        when scored.frequency_is_high then 'Important to keep'
                        else 'Important to win back'
                    end
            when scored.recency_is_high and scored.frequency_is_high
                then 'Ordinary value'
            when scored.recency_is_high then 'Ordinary to develop'
            when scored.frequency_is_high then 'Ordinary to keep'
            else 'Ordinary to win back'
        end as value_type,
        scored.window_start,
        scored.window_end
    from scored
    left join rfm_segment_names
        on
            scored.r_score = rfm_segment_names.r_score
            and scored.f_score = rfm_segment_names.f_score
            and scored.m_score = rfm_segment_names.m_score
)

select * from final
