{% set cuts = ['cut_20', 'cut_40', 'cut_60', 'cut_80'] %}
with

purchases as (
    select
        customer_id,
        recency_days,
        frequency_count,
        monetary_amount,
        window_start,
        window_end
    from {{ ref('int_purchases_windowed') }}
),

cut_points as (
    select
        dimension,
        cut_20,
        cut_40,
        cut_60,
        cut_80,
        mean_value
    from {{ ref('rfm_cut_points') }}
),

rfm_segment_names as (
    select
        r_score,
        f_score,
        m_score,
        segment
    from {{ ref('rfm_segment_names') }}
),

scored as (
    select
        purchases.customer_id,
        purchases.recency_days,
        purchases.frequency_count,
        purchases.monetary_amount,
        cast(
            5
            {% for cut in cuts %}
            - case when purchases.recency_days > recency.{{ cut }} then 1 else 0 end
            {% endfor %}
            as bigint
        ) as r_score,
        cast(
            1
            {% for cut in cuts %}
            + case
                when purchases.frequency_count > frequency.{{ cut }} then 1
                else 0
            end
            {% endfor %}
            as bigint
        ) as f_score,
        cast(
            1
            {% for cut in cuts %}
            + case
                when cast(purchases.monetary_amount as double) > monetary.{{ cut }}
                    then 1
                else 0
            end
            {% endfor %}
            as bigint
        ) as m_score,
        purchases.recency_days <= recency.mean_value as recency_is_high,
        purchases.frequency_count >= frequency.mean_value as frequency_is_high,
        cast(purchases.monetary_amount as double)
            >= monetary.mean_value as monetary_is_high,
        purchases.window_start,
        purchases.window_end
    from purchases
    inner join cut_points as recency
        on recency.dimension = 'recency_days'
    inner join cut_points as frequency
        on frequency.dimension = 'frequency_count'
    inner join cut_points as monetary
        on monetary.dimension = 'monetary_amount'
),

final as (
    select
        scored.customer_id,
        scored.recency_days,
        scored.frequency_count,
        scored.monetary_amount,
        scored.r_score,
        scored.f_score,
        scored.m_score,
        cast(scored.r_score as varchar)
            || cast(scored.f_score as varchar)
            || cast(scored.m_score as varchar) as rfm_cell,
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
            else 'Lost'
        end as value_type,
        scored.window_start,
        scored.window_end,
        scored.window_end as as_of_date
    from scored
    left join rfm_segment_names
        on
            scored.r_score = rfm_segment_names.r_score
            and scored.f_score = rfm_segment_names.f_score
            and scored.m_score = rfm_segment_names.m_score
)

select * from final
