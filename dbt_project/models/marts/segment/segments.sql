{%- set schemes = var('schemes') -%}
{%- set counts = [
    'customer_count', 'buyer_count', 'order_count', 'csat_answer_count',
    'csat_top_two_count', 'nps_answer_count', 'promoter_count', 'detractor_count'
] -%}
{%- set amounts = [
    'revenue_amount', 'identified_revenue_amount', 'buyer_revenue_amount',
    'revenue_amount_365d'
] -%}
with

customer_states as (
    select * from {{ ref('int_customer_states') }}
),

unidentified as (
    select * from {{ ref('int_customer_windows') }}
    where customer_id = 'unidentified'
),

classified as (
    select
        state_on,
        {% for scheme in schemes %}
        {{ segment_of(scheme) }} as in_{{ loop.index }},
        {% endfor %}
        1 as customer_count,
        case when order_count > 0 then 1 else 0 end as buyer_count,
        order_count,
        csat_answer_count,
        csat_top_two_count,
        nps_answer_count,
        promoter_count,
        detractor_count,
        revenue_amount,
        revenue_amount as identified_revenue_amount,
        case when order_count > 0 then revenue_amount else 0 end
            as buyer_revenue_amount,
        revenue_amount_365d
    from customer_states
    union all
    select
        state_on,
        {% for scheme in schemes %}
        'unidentified' as in_{{ loop.index }},
        {% endfor %}
        0 as customer_count,
        0 as buyer_count,
        purchase_count as order_count,
        csat_count as csat_answer_count,
        csat_top_count as csat_top_two_count,
        nps_count as nps_answer_count,
        promoter_count,
        detractor_count,
        revenue_amount,
        0 as identified_revenue_amount,
        0 as buyer_revenue_amount,
        revenue_amount_365d
    from unidentified
),

combined as (
    select
        {% for scheme in schemes %}
        in_{{ loop.index }},
        {% endfor %}
        {% for column in counts + amounts %}
        sum({{ column }}) as {{ column }},
        {% endfor %}
        state_on
    from classified
    group by
        {% for scheme in schemes %}
        in_{{ loop.index }},
        {% endfor %}
        state_on
),

totals as (
    select
        state_on,
        cast(sum(customer_count) as bigint) as customer_count,
        cast(sum(buyer_count) as bigint) as buyer_count,
        sum(revenue_amount) as revenue_amount,
        sum(identified_revenue_amount) as identified_revenue_amount,
        sum(buyer_revenue_amount) as buyer_revenue_amount,
        -- Satisfaction counts before willingness to recommend.
        case
            when sum(csat_answer_count) > 0 then 'csat_top_two_pct'
            when sum(nps_answer_count) > 0 then 'nps'
        end as satisfaction_measure
    from combined
    group by state_on
),

grouped as (
    {% for scheme in schemes %}
    select
        '{{ scheme.name }}' as scheme,
        state_on,
        {% for column in counts %}
        cast(sum({{ column }}) as bigint) as {{ column }},
        {% endfor %}
        {% for column in amounts %}
        cast(sum({{ column }}) as decimal(18, 2)) as {{ column }},
        {% endfor %}
        in_{{ loop.index }} as segment
    from combined
    group by state_on, in_{{ loop.index }}
    having sum(customer_count) > 0 or sum(order_count) > 0 or sum(revenue_amount) != 0
    {{ "union all" if not loop.last }}
    {% endfor %}
),

satisfaction as (
    select
        grouped.scheme,
        grouped.state_on,
        grouped.segment,
        case
            when totals.satisfaction_measure = 'csat_top_two_pct'
                then grouped.csat_top_two_count
            else grouped.promoter_count - grouped.detractor_count
        end as counted,
        case
            when totals.satisfaction_measure = 'csat_top_two_pct'
                then grouped.csat_answer_count
            else grouped.nps_answer_count
        end as answer_count
    from grouped
    inner join totals on grouped.state_on = totals.state_on
),

other_names as (
    select
        scheme,
        segment,
        other_name
    from {{ ref('schemes') }}
),

final as (
    select
        grouped.scheme,
        grouped.state_on,
        grouped.segment,
        other_names.other_name,
        grouped.customer_count,
        100 * cast(grouped.customer_count as double)
        / nullif(totals.customer_count, 0) as customer_share_pct,
        grouped.buyer_count,
        grouped.order_count,
        grouped.revenue_amount,
        case
            when totals.revenue_amount > 0
                then {{ percent_of('grouped.revenue_amount', 'totals.revenue_amount') }}
        end as revenue_share_pct,
        grouped.revenue_amount_365d,
        {{ mean_amount('grouped.revenue_amount', 'grouped.customer_count') }}
            as average_revenue_amount,
        -- Both means times both counts: exactly 1 where they are equal.
        case
            when totals.identified_revenue_amount > 0 and grouped.customer_count > 0
                then
                    cast(grouped.revenue_amount * totals.customer_count as double)
                    / cast(
                        totals.identified_revenue_amount * grouped.customer_count
                        as double
                    )
        end as revenue_index,
        {{ mean_of('totals.identified_revenue_amount', 'totals.customer_count') }}
            as revenue_index_base_amount,
        case
            when totals.buyer_revenue_amount > 0 and grouped.buyer_count > 0
                then
                    cast(grouped.buyer_revenue_amount * totals.buyer_count as double)
                    / cast(
                        totals.buyer_revenue_amount * grouped.buyer_count as double
                    )
        end as buyer_revenue_index,
        {{ mean_of('totals.buyer_revenue_amount', 'totals.buyer_count') }}
            as buyer_revenue_index_base_amount,
        totals.satisfaction_measure,
        case
            when satisfaction.answer_count >= {{ var('minimum_answers') }}
                then
                    100 * (
                        satisfaction.counted / cast(satisfaction.answer_count as double)
                    )
        end as satisfaction_score,
        satisfaction.answer_count as satisfaction_answer_count,
        case
            when totals.satisfaction_measure is null
                then 'nobody was asked for CSAT or NPS'
            when satisfaction.answer_count = 0 then 'no valid answer'
            when satisfaction.answer_count < {{ var('minimum_answers') }}
                then 'fewer than {{ var("minimum_answers") }} valid answers'
        end as satisfaction_missing_reason,
        grouped.customer_count as n,
        {{ as_of() }} as as_of_date
    from grouped
    inner join totals on grouped.state_on = totals.state_on
    inner join satisfaction
        on
            grouped.scheme = satisfaction.scheme
            and grouped.state_on = satisfaction.state_on
            and grouped.segment = satisfaction.segment
    left join other_names
        on
            grouped.scheme = other_names.scheme
            and grouped.segment = other_names.segment
)

select * from final
