{#- Segment of a customer's state in a scheme (`schemes` in company.yml): the first whose
    condition holds, so that each scheme divides all customers. -#}
{% macro segment_of(scheme) -%}
    case
        when not may_be_scored then 'not_permitted'
        {%- for segment in scheme.segments %}
        when {{ segment.condition }} then {{ staged_literal(segment.name) }}
        {%- endfor %}
        else 'other'
    end
{%- endmacro %}

{#- Whether a customer may be scored: everybody where the company needs no permission
    (`profiling` in company.yml), else who has given it. -#}
{% macro may_be_scored(may_be_profiled) -%}
    {%- if var('profiling') == 'with_permission' -%}
        coalesce({{ may_be_profiled }}, false)
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}
