{% set dimensions = ['recency_days', 'frequency_count', 'monetary_amount'] %}
with

purchases as (
    select * from {{ ref('int_purchases_windowed') }}
),

cut as (
    {% for dimension in dimensions %}
    select
        '{{ dimension }}' as dimension,
        {% for percent in [20, 40, 60, 80] %}
        {{ percentile(percent / 100, dimension) }} as cut_{{ percent }},
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
        dimension,
        cut_20,
        cut_40,
        cut_60,
        cut_80,
        mean_value,
        n,
        'quantiles with linear interpolation, cut by value' as method,
        {{ rfm_window_start(as_of()) }} as window_start,
        {{ as_of() }} as window_end,
        {{ as_of() }} as as_of_date
    from cut
)

select * from final
