{#- In months. A hundred years: what lies before that is no customer's trace. -#}
{% set longest_span = 1200 %}
with

interactions as (
    select * from {{ ref('interactions') }}
),

orders as (
    select
        *,
        {{ is_purchase() }} as is_purchase
    from {{ ref('int_orders_valued') }}
),

traces as (
    select
        coalesce(customer_id, 'unidentified') as customer_id,
        occurred_date as day,
        1 as interaction_count,
        interaction_kind in ('order', 'event', 'presence') as is_visit,
        0 as order_count,
        0 as revenue_amount,
        0 as discount_amount
    from interactions
    union all
    select
        coalesce(customer_id, 'unidentified') as customer_id,
        order_date as day,
        0 as interaction_count,
        false as is_visit,
        case when is_purchase then 1 else 0 end as order_count,
        revenue_amount,
        discount_amount
    from orders
),

traced as (
    select
        customer_id,
        {{ month_of('day') }} as month,
        cast(sum(interaction_count) as bigint) as interaction_count,
        {{ count_days_of_month('day', 'is_visit') }} as visit_day_count,
        cast(sum(order_count) as bigint) as order_count,
        cast(sum(revenue_amount) as decimal(18, 2)) as revenue_amount,
        cast(sum(discount_amount) as decimal(18, 2)) as discount_amount
    from traces
    group by customer_id, month
),

-- Each month with a trace is repeated for the empty months that follow it, so that no
-- join over all customers and months is needed.
placed as (
    select
        customer_id,
        month,
        interaction_count,
        visit_day_count,
        order_count,
        revenue_amount,
        discount_amount,
        min(case when order_count > 0 then month end) over (
            partition by customer_id
        ) as cohort_month,
        max(case when order_count > 0 then month end) over (
            partition by customer_id
            order by month nulls last
            rows between unbounded preceding and 1 preceding
        ) as previous_active_month,
        lead(month) over (
            partition by customer_id order by month nulls last
        ) as next_traced_month
    from traced
),

bounded as (
    select
        placed.customer_id,
        placed.month,
        placed.interaction_count,
        placed.visit_day_count,
        placed.order_count,
        placed.revenue_amount,
        placed.discount_amount,
        case
            when placed.customer_id != 'unidentified' then placed.cohort_month
        end as cohort_month,
        placed.previous_active_month,
        least(
            {{ months_between(
                'placed.month',
                'coalesce(placed.next_traced_month, '
                ~ add_months(month_of(as_of()), 1) ~ ')',
            ) }},
            {{ longest_span }}
        ) as span_months
    from placed
),

numbers as (
    {{ numbers(longest_span) }}
),

spans as (
    select
        lengths.number as span_months,
        numbers.number - 1 as months_later
    from numbers as lengths
    inner join numbers on lengths.number >= numbers.number
),

filled as (
    select
        bounded.customer_id,
        {{ add_months('bounded.month', 'spans.months_later') }} as month,
        bounded.cohort_month,
        spans.months_later = 0 as is_traced,
        bounded.interaction_count,
        bounded.order_count,
        bounded.visit_day_count,
        bounded.revenue_amount,
        bounded.discount_amount,
        bounded.previous_active_month
    from bounded
    inner join spans on bounded.span_months = spans.span_months
),

emptied as (
    select
        customer_id,
        month,
        cohort_month,
        {{ add_months('month', 1) }} <= {{ add_days(as_of(), 1) }} as is_complete,
        case when is_traced then interaction_count else 0 end as interaction_count,
        case when is_traced then order_count else 0 end as order_count,
        case when is_traced then visit_day_count else 0 end as visit_day_count,
        case when is_traced then revenue_amount else 0 end as revenue_amount,
        case when is_traced then discount_amount else 0 end as discount_amount,
        previous_active_month
    from filled
),

final as (
    select
        customer_id,
        month,
        cohort_month,
        is_complete,
        interaction_count,
        order_count,
        visit_day_count,
        cast(revenue_amount as decimal(18, 2)) as revenue_amount,
        cast(discount_amount as decimal(18, 2)) as discount_amount,
        case
            when customer_id != 'unidentified' then order_count > 0
        end as is_active,
        case
            when cohort_month is null or month < cohort_month then null
            when month = cohort_month then 'new'
            when
                order_count > 0
                and previous_active_month = {{ add_months('month', -1) }}
                then 'returning'
            when order_count > 0 then 'resurrecting'
            when is_complete then 'dormant'
        end as lifecycle,
        {{ as_of() }} as as_of_date
    from emptied
)

select * from final
