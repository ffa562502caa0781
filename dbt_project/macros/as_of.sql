{#- Last business day that the marts cover, as a value in any expression. -#}
{% macro as_of() -%}
    (select run.as_of_date from {{ source('kith', 'run') }} as run)
{%- endmacro %}

{#- First instant after that day, UTC. Feeds are cut there, by feed(); a model that
    reads feeds cuts nothing. Only int_customer_records does, which leaves out records
    changed since: their customer is still known by them, in identities. -#}
{% macro as_of_at() -%}
    (select run.as_of_at from {{ source('kith', 'run') }} as run)
{%- endmacro %}

{#- The company's first business day. -#}
{% macro first_day() -%}
    (select run.first_day from {{ source('kith', 'run') }} as run)
{%- endmacro %}
