{#- The last value of a window's frame that is not NULL; `over` follows. -#}
{% macro last_known(value) -%}
    {{ return(adapter.dispatch('last_known', 'kith')(value)) }}
{%- endmacro %}

{% macro default__last_known(value) -%}
    last_value({{ value }}, true)
{%- endmacro %}

{% macro duckdb__last_known(value) -%}
    last_value({{ value }} ignore nulls)
{%- endmacro %}
