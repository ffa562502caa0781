{% set dimensions = ['recency_days', 'frequency_count', 'monetary_amount'] %}
{% set fifths = [1, 2, 3, 4] %}
with

purchases as (
    select
        state_on as window_end,
        {{ days_between('last_order_date', 'state_on') }} as recency_days,
        frequency_count,
        monetary_amount,
        window_start
    from {{ ref('int_customer_windows') }}
    where may_be_scored and frequency_count > 0
),

values_counted as (
    {% for dimension in dimensions %}
    select
        window_end,
        '{{ dimension }}' as dimension,
        cast({{ dimension }} as decimal(18, 2)) as measured,
        count(*) as customer_count
    from purchases
    group by window_end, {{ dimension }}
    {{ "union all" if not loop.last }}
    {% endfor %}
),

ranked as (
    select
        window_end,
        dimension,
        measured,
        customer_count,
        cast(
            sum(customer_count) over (
                partition by window_end, dimension
                order by measured nulls last
                rows between unbounded preceding and current row
            ) as bigint
        ) as last_rank,
        cast(sum(customer_count) over (partition by window_end, dimension) as bigint)
            as n
    from values_counted
),

-- With the customers numbered from 0, the first fifth ends at number (n - 1) / 5, so
-- mostly between two customers. In fifths of a customer, all of that is whole numbers.
neighbours as (
    select
        window_end,
        dimension,
        n,
        {% for fifth in fifths %}
        min(case when 5 * last_rank > {{ fifth }} * (n - 1) then measured end)
            as below_{{ fifth }},
        min(case when 5 * (last_rank - 1) >= {{ fifth }} * (n - 1) then measured end)
            as above_{{ fifth }},
        cast({{ fifth }} * (n - 1) % 5 as decimal(1, 0)) as way_{{ fifth }},
        {% endfor %}
        sum(measured * customer_count) as sum_value
    from ranked
    group by window_end, dimension, n
),

window_days as (
    select
        window_end,
        min(window_start) as window_start
    from purchases
    group by window_end
),

final as (
    select
        neighbours.window_end,
        neighbours.dimension,
        {% for fifth in fifths %}
        cast(
            (
                neighbours.below_{{ fifth }} * (5 - neighbours.way_{{ fifth }})
                + neighbours.above_{{ fifth }} * neighbours.way_{{ fifth }}
            ) * cast(0.2 as decimal(2, 1)) as decimal(18, 3)
        ) as cut_{{ 20 * fifth }},
        {% endfor %}
        {{ mean_of('neighbours.sum_value', 'neighbours.n') }} as mean_value,
        cast(neighbours.sum_value as decimal(18, 2)) as sum_value,
        neighbours.n,
        window_days.window_start
    from neighbours
    inner join window_days on neighbours.window_end = window_days.window_end
)

select * from final
