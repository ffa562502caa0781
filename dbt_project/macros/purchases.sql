{#- A word without case, blanks, hyphens and underscores: `On hold` is `on-hold`. The
    words in var('order_statuses') come folded (kith.company.order_statuses). -#}
{% macro folded(word) -%}
    lower(replace(replace(replace({{ word }}, ' ', ''), '-', ''), '_', ''))
{%- endmacro %}

{#- placed, completed, cancelled or returned; NULL for a word that nobody has mapped.
    An order whose source tells no status was placed. -#}
{% macro order_status_class(status) -%}
    case
        when {{ status }} is null then 'placed'
        {%- for status_class in ['placed', 'completed', 'cancelled', 'returned'] %}
        {%- set words = var('order_statuses')[status_class]
            | map('replace', "'", "''") | join("', '") %}
        when {{ folded(status) }} in ('{{ words }}') then '{{ status_class }}'
        {%- endfor %}
    end
{%- endmacro %}
