{#- The customer that an identifier stands for until links join it to others. -#}
{% macro customer_id(identifier_type, identifier_value) -%}
    md5({{ identifier_type }} || ':' || {{ identifier_value }})
{%- endmacro %}
