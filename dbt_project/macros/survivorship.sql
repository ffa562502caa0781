{#- Of several records of a customer the one whose value of an attribute counts. -#}

{#- What min_by orders the records by, so that the one which counts is the least: by the
    company's rule for the attribute, then by the newest change, then by the key. -#}
{% macro survival_of(attribute) -%}
    {%- set rule = var('survivorship')[attribute] -%}
    {%- set first = [] -%}
    {%- if rule == 'most_trusted' -%}
        {%- set first = [trust_in('source')] -%}
    {%- elif rule == 'longest' -%}
        {%- set first = ['-length(' ~ attribute ~ ')'] -%}
    {%- elif rule == 'most_frequent' -%}
        {%- set first = ['-' ~ attribute ~ '_count'] -%}
    {%- endif -%}
    {{ ordering(first + ['staleness', 'source', 'customer_record_id']) }}
{%- endmacro %}

{#- Place of a source among those that the company trusts, the most trusted first. -#}
{% macro trust_in(source) -%}
    case {{ source }}
    {%- for trusted in var('trusted_sources') %}
        when '{{ trusted }}' then {{ loop.index }}
    {%- endfor %}
        when '' then 0
        else {{ var('trusted_sources') | length + 1 }}
    end
{%- endmacro %}
