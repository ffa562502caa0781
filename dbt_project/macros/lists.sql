{#- The distinct texts of a group as one text, in their order: 'crm, web'. -#}
{% macro sorted_list(text) -%}
    {{ return(adapter.dispatch('sorted_list', 'kith')(text)) }}
{%- endmacro %}

{% macro default__sorted_list(text) -%}
    nullif(array_join(sort_array(collect_set({{ text }})), ', '), '')
{%- endmacro %}

{% macro duckdb__sorted_list(text) -%}
    nullif(array_to_string(list_sort(list_distinct(list({{ text }}))), ', '), '')
{%- endmacro %}
