{%- set horizon_days = var('horizon_days') -%}
with

customers as (
    select customer_id
    from {{ ref('customers') }}
    where
        customer_id != 'unidentified'
        and {{ may_be_scored('may_be_profiled') }}
),

-- A horizon apart, so that nobody's silence is judged twice.
days as (
    select
        {{ add_days(as_of(), '(-' ~ horizon_days ~ ' * numbers.number)') }} as judged_on
    from ({{ numbers(20) }}) as numbers
    where
        {{ add_days(as_of(), '(-' ~ horizon_days ~ ' * numbers.number)') }}
        >= {{ add_days(first_day(), '(' ~ horizon_days ~ ' - 1)') }}
),

purchase_days as (
    select distinct
        orders.customer_id,
        orders.order_date as day
    from {{ ref('orders') }} as orders
    inner join customers on orders.customer_id = customers.customer_id
    where orders.is_purchase
),

-- Who bought in the year before the day is a customer on it.
customers_then as (
    select
        days.judged_on,
        purchase_days.customer_id,
        case when max(purchase_days.day) > days.judged_on then 0 else 1 end as has_left
    from purchase_days
    inner join days
        on
            purchase_days.day > {{ add_days('days.judged_on', '(-365)') }}
            and purchase_days.day <= {{ add_days('days.judged_on', horizon_days) }}
    group by days.judged_on, purchase_days.customer_id
    having min(purchase_days.day) <= days.judged_on
),

warned_by_sign as (
    select distinct
        customers_then.judged_on,
        customers_then.customer_id,
        customers_then.has_left,
        warnings.sign
    from customers_then
    inner join {{ ref('churn_warnings') }} as warnings
        on customers_then.customer_id = warnings.customer_id
    where
        warnings.opened_on <= customers_then.judged_on
        and coalesce(warnings.closed_on > customers_then.judged_on, true)
),

warned_then as (
    select * from warned_by_sign
    union all
    select distinct
        judged_on,
        customer_id,
        has_left,
        'any' as sign
    from warned_by_sign
),

-- On each day, and on all of them together.
{% for step, columns in [
    ('customers', 'customer_id'), ('warned', 'customer_id, sign')
] %}
{{ step }}_of_periods as (
    select
        period,
        {{ columns }},
        count(*) as day_count,
        sum(has_left) as left_count
    from (
        select
            cast(judged_on as string) as period,
            {{ columns }},
            has_left
        from {{ step }}_then
        union all
        select
            'all' as period,
            {{ columns }},
            has_left
        from {{ step }}_then
    ) as counted
    group by period, {{ columns }}
),

{% endfor %}
periods as (
    select
        cast(judged_on as string) as period,
        judged_on
    from days
    union all
    select
        'all' as period,
        cast(null as date) as judged_on
),

signs as (
    {% for sign in [
        'any', 'long_gap', 'unresolved_complaint', 'falling_satisfaction',
        'falling_frequency', 'owner_left', 'broken_promise',
        'low_satisfaction_for_years',
    ] %}
    select '{{ sign }}' as sign
    {{ "union all" if not loop.last }}
    {% endfor %}
),

-- Squares and products of whole numbers: exact in whatever order they are summed.
customers_summed as (
    select
        period,
        sum(day_count) as customer_count,
        sum(left_count) as left_count,
        count(case when left_count > 0 then 1 end) as leaver_count,
        sum(left_count * left_count) as left_squares
    from customers_of_periods
    group by period
),

warned_summed as (
    select
        warned.period,
        warned.sign,
        sum(warned.day_count) as warned_count,
        sum(warned.left_count) as hit_count,
        count(*) as warned_customer_count,
        sum(warned.day_count * warned.day_count) as warned_squares,
        sum(warned.left_count * warned.left_count) as hit_squares,
        sum(warned.day_count * warned.left_count) as warned_products,
        sum(customers.left_count * warned.left_count) as left_products
    from warned_of_periods as warned
    inner join customers_of_periods as customers
        on
            warned.period = customers.period
            and warned.customer_id = customers.customer_id
    group by warned.period, warned.sign
),

counted as (
    select
        signs.sign,
        periods.period,
        periods.judged_on,
        {% for count in ['customer_count', 'left_count', 'leaver_count'] %}
        cast(coalesce(customers.{{ count }}, 0) as bigint) as {{ count }},
        {% endfor %}
        {% for count in ['warned_count', 'hit_count', 'warned_customer_count'] %}
        cast(coalesce(warned.{{ count }}, 0) as bigint) as {{ count }},
        {% endfor %}
        {% for sum in [
            'warned_squares', 'hit_squares', 'warned_products', 'left_products'
        ] %}
        cast(coalesce(warned.{{ sum }}, 0) as double) as {{ sum }},
        {% endfor %}
        cast(coalesce(customers.left_squares, 0) as double) as left_squares
    from signs
    cross join periods
    left join customers_summed as customers on periods.period = customers.period
    left join warned_summed as warned
        on
            periods.period = warned.period
            and signs.sign = warned.sign
),

rated as (
    select
        {% for rate, of, clusters in [
            ('precision_rate', 'warned_count', 'warned_customer_count'),
            ('recall_rate', 'left_count', 'leaver_count'),
        ] %}
        case
            when {{ clusters }} >= {{ var('minimum_answers') }}
                then cast(hit_count as double) / {{ of }}
        end as {{ rate }},
        {% endfor %}
        *
    from counted
),

-- One customer is there on several days.
weighed as (
    select
        *,
        {{ independent_count(
            'precision_rate', 'warned_count', 'warned_customer_count',
            'hit_squares', 'warned_products', 'warned_squares'
        ) }} as precision_rate_n,
        {{ independent_count(
            'recall_rate', 'left_count', 'leaver_count',
            'hit_squares', 'left_products', 'left_squares'
        ) }} as recall_rate_n
    from rated
),

final as (
    select
        sign,
        period,
        judged_on,
        cast({{ horizon_days }} as bigint) as horizon_days,
        customer_count as n,
        left_count,
        warned_count,
        hit_count,
        cast(left_count as double) / nullif(customer_count, 0) as base_rate,
        precision_rate,
        1 - precision_rate as error_rate,
        1 - {{ wilson_bound('precision_rate', 'precision_rate_n', '+') }}
            as error_rate_low,
        1 - {{ wilson_bound('precision_rate', 'precision_rate_n', '-') }}
            as error_rate_high,
        recall_rate,
        1 - recall_rate as miss_rate,
        1 - {{ wilson_bound('recall_rate', 'recall_rate_n', '+') }} as miss_rate_low,
        1 - {{ wilson_bound('recall_rate', 'recall_rate_n', '-') }} as miss_rate_high,
        case
            when customer_count = 0
                then 'nobody had bought by a day that a whole horizon follows'
            when precision_rate is null and recall_rate is null
                then 'too few customers were warned, and too few left'
            when precision_rate is null then 'too few customers were warned'
            when recall_rate is null then 'too few customers left'
        end as missing_reason,
        'Wilson, by customers who count on several days' as method,
        {{ as_of() }} as as_of_date
    from weighed
)

select * from final
