{#- A query of one column `number`: 1 … upper_bound. -#}
{% macro numbers(upper_bound) -%}
    select cast(generated_number as bigint) as number
    from ({{ dbt.generate_series(upper_bound) }}) as series
{%- endmacro %}
