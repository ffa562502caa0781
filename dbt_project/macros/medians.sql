{#- The median, as a double: exact for whole numbers. Other quantiles have no macro: the
    engines interpolate them in doubles, which lets a cut point miss the very value that
    it is made of (rfm_cut_points has them exactly). -#}
{% macro median(value) -%}
    {{ return(adapter.dispatch('median', 'kith')(value)) }}
{%- endmacro %}

{% macro default__median(value) -%}
    percentile(cast({{ value }} as double), 0.5)
{%- endmacro %}

{% macro duckdb__median(value) -%}
    percentile_cont(0.5) within group (order by cast({{ value }} as double))
{%- endmacro %}

{#- The median of a value over the rows of its group up to each one, by a unique order. -#}
{% macro running_median(value, group, order) -%}
    {{ return(adapter.dispatch('running_median', 'kith')(value, group, order)) }}
{%- endmacro %}

{% macro default__running_median(value, group, order) -%}
    percentile(cast({{ value }} as double), 0.5) over (
        partition by {{ group }}
        order by {{ order }} nulls last
        rows between unbounded preceding and current row
    )
{%- endmacro %}

{% macro duckdb__running_median(value, group, order) -%}
    quantile_cont(cast({{ value }} as double), 0.5) over (
        partition by {{ group }}
        order by {{ order }} nulls last
        rows between unbounded preceding and current row
    )
{%- endmacro %}
