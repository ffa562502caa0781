{% set dimensions = ['recency_days', 'frequency_count', 'monetary_amount'] %}
{% set cuts = ['cut_20', 'cut_40', 'cut_60', 'cut_80', 'mean_value', 'sum_value'] %}
with

cut_points as (
    select * from {{ ref('int_rfm_cut_points') }}
    where window_end = {{ as_of() }}
),

dimensions as (
    {% for dimension in dimensions %}
    select '{{ dimension }}' as dimension
    {{ "union all" if not loop.last }}
    {% endfor %}
),

final as (
    select
        dimensions.dimension,
        {% for cut in cuts %}
        cut_points.{{ cut }},
        {% endfor %}
        coalesce(cut_points.n, 0) as n,
        'quantiles with linear interpolation, cut by value' as method,
        coalesce(cut_points.window_start, {{ rfm_window_start(as_of()) }})
            as window_start,
        {{ as_of() }} as window_end,
        {{ as_of() }} as as_of_date
    from dimensions
    left join cut_points on dimensions.dimension = cut_points.dimension
)

select * from final
