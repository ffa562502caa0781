{% set dimensions = ['recency_days', 'frequency_count', 'monetary_amount'] %}
with

run as (
    select
        as_of_date,
        {{ rfm_window_start('as_of_date') }} as window_start
    from {{ source('kith', 'run') }}
),

purchases as (
    select
        recency_days,
        frequency_count,
        monetary_amount
    from {{ ref('int_purchases_windowed') }}
),

cut as (
    {% for dimension in dimensions %}
    select
        '{{ dimension }}' as dimension,
        {% for percent in [20, 40, 60, 80] %}
        percentile_cont({{ percent / 100 }}) within group (
            order by cast({{ dimension }} as double)
        ) as cut_{{ percent }},
        {% endfor %}
        cast(sum({{ dimension }}) as double) / nullif(count(*), 0) as mean_value,
        count(*) as n
    from purchases
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}
),

final as (
    select
        cut.dimension,
        cut.cut_20,
        cut.cut_40,
        cut.cut_60,
        cut.cut_80,
        cut.mean_value,
        cut.n,
        'quantiles with linear interpolation, cut by value' as method,
        run.window_start,
        run.as_of_date as window_end,
        run.as_of_date
    from cut
    cross join run
)

select * from final
