{#- Schemas are named by the folders alone: readers see `customer`, not
    `<target>_customer`. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
