{% set schemes = ['rfm_segment', 'value_type', 'activity_state'] %}
with

customer_values as (
    select * from {{ ref('customer_values') }}
),

rfm_scores as (
    select * from {{ ref('rfm_scores') }}
),

activity_states as (
    select * from {{ ref('activity_states') }}
),

satisfaction_scores as (
    select * from {{ ref('satisfaction_scores') }}
    where
        period_grain = 'all'
        and dimension = 'overall'
        and measure in ('csat_top_two_pct', 'nps')
),

-- Satisfaction counts before willingness to recommend: csat_top_two_pct is the first of
-- the two names.
chosen as (
    select min(measure) as measure
    from satisfaction_scores
    where n > 0
),

satisfaction_chosen as (
    select
        satisfaction_scores.breakdown,
        satisfaction_scores.segment,
        satisfaction_scores.score,
        satisfaction_scores.n,
        satisfaction_scores.missing_reason
    from satisfaction_scores
    inner join chosen on satisfaction_scores.measure = chosen.measure
),

classified as (
    select
        customer_values.customer_id != 'unidentified' as is_identified,
        customer_values.customer_id != 'unidentified'
        and customer_values.order_count > 0 as is_buyer,
        {{ segment_name(
            "(customer_values.customer_id != 'unidentified')",
            'rfm_scores.segment',
            'activity_states.state',
        ) }} as rfm_segment,
        {{ segment_name(
            "(customer_values.customer_id != 'unidentified')",
            'rfm_scores.value_type',
            'activity_states.state',
        ) }} as value_type,
        coalesce(activity_states.state, 'unidentified') as activity_state,
        customer_values.order_count,
        customer_values.revenue_amount
    from customer_values
    left join rfm_scores on customer_values.customer_id = rfm_scores.customer_id
    left join activity_states
        on customer_values.customer_id = activity_states.customer_id
),

combined as (
    select
        rfm_segment,
        value_type,
        activity_state,
        count(*) filter (where is_identified) as customer_count,
        count(*) filter (where is_buyer) as buyer_count,
        sum(order_count) as order_count,
        sum(revenue_amount) as revenue_amount,
        sum(case when is_identified then revenue_amount else 0 end)
            as identified_revenue_amount,
        sum(case when is_buyer then revenue_amount else 0 end) as buyer_revenue_amount
    from classified
    group by rfm_segment, value_type, activity_state
),

total as (
    select
        cast(sum(customer_count) as bigint) as customer_count,
        cast(sum(buyer_count) as bigint) as buyer_count,
        sum(revenue_amount) as revenue_amount,
        sum(identified_revenue_amount) as identified_revenue_amount,
        sum(buyer_revenue_amount) as buyer_revenue_amount
    from combined
),

grouped as (
    {% for scheme in schemes %}
    select
        '{{ scheme }}' as scheme,
        {{ scheme }} as segment,
        cast(sum(customer_count) as bigint) as customer_count,
        cast(sum(buyer_count) as bigint) as buyer_count,
        cast(sum(order_count) as bigint) as order_count,
        cast(sum(revenue_amount) as decimal(18, 2)) as revenue_amount,
        sum(buyer_revenue_amount) as buyer_revenue_amount
    from combined
    group by {{ scheme }}
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}
),

final as (
    select
        grouped.scheme,
        grouped.segment,
        grouped.customer_count,
        100 * cast(grouped.customer_count as double)
        / nullif(total.customer_count, 0) as customer_share_pct,
        grouped.buyer_count,
        grouped.order_count,
        grouped.revenue_amount,
        case
            when total.revenue_amount > 0
                then {{ percent_of('grouped.revenue_amount', 'total.revenue_amount') }}
        end as revenue_share_pct,
        {{ mean_amount('grouped.revenue_amount', 'grouped.customer_count') }}
            as average_revenue_amount,
        -- Both means times both counts: exactly 1 where they are equal.
        case
            when total.identified_revenue_amount > 0 and grouped.customer_count > 0
                then
                    cast(grouped.revenue_amount * total.customer_count as double)
                    / cast(
                        total.identified_revenue_amount * grouped.customer_count
                        as double
                    )
        end as revenue_index,
        case
            when total.buyer_revenue_amount > 0 and grouped.buyer_count > 0
                then
                    cast(grouped.buyer_revenue_amount * total.buyer_count as double)
                    / cast(
                        total.buyer_revenue_amount * grouped.buyer_count as double
                    )
        end as buyer_revenue_index,
        chosen.measure as satisfaction_measure,
        satisfaction_chosen.score as satisfaction_score,
        coalesce(satisfaction_chosen.n, 0) as satisfaction_answer_count,
        case
            when satisfaction_chosen.score is not null then null
            when chosen.measure is null then 'nobody was asked for CSAT or NPS'
            else coalesce(satisfaction_chosen.missing_reason, 'no valid answer')
        end as satisfaction_missing_reason,
        grouped.customer_count as n,
        {{ as_of() }} as as_of_date
    from grouped
    cross join total
    cross join chosen
    left join satisfaction_chosen
        on
            grouped.scheme = satisfaction_chosen.breakdown
            and grouped.segment = satisfaction_chosen.segment
)

select * from final
