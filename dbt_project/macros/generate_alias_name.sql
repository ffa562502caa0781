{#- A feed and a mart may bear one name, models may not: the model feed_customers is
    feeds.customers in the warehouse, beside customer.customers. -#}
{% macro generate_alias_name(custom_alias_name=none, node=none) -%}
    {{ feed_name(node.name) if "feeds" in node.fqn else (custom_alias_name or node.name) }}
{%- endmacro %}
