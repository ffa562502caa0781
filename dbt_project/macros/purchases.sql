{#- Whether an order is a purchase. A return stands in the orders feed with negative
    revenue: it lowers the money, but nobody bought on that day. -#}
{% macro is_purchase() -%}
    revenue_amount >= 0
{%- endmacro %}
