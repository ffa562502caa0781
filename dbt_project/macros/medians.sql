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

{#- The median of the rows of a window. -#}
{% macro running_median(value, window) -%}
    {{ return(adapter.dispatch('running_median', 'kith')(value, window)) }}
{%- endmacro %}

{% macro default__running_median(value, window) -%}
    percentile(cast({{ value }} as double), 0.5) over ({{ window }})
{%- endmacro %}

{% macro duckdb__running_median(value, window) -%}
    quantile_cont(cast({{ value }} as double), 0.5) over ({{ window }})
{%- endmacro %}
