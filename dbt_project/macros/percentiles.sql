{#- The value below which a share of all values lies, as a double, interpolated between
    its neighbours. As decimals, engines would round it differently. -#}
{% macro percentile(share, value) -%}
    {{ return(adapter.dispatch('percentile', 'kith')(share, value)) }}
{%- endmacro %}

{% macro default__percentile(share, value) -%}
    percentile(cast({{ value }} as double), {{ share }})
{%- endmacro %}

{% macro duckdb__percentile(share, value) -%}
    percentile_cont({{ share }}) within group (order by cast({{ value }} as double))
{%- endmacro %}
