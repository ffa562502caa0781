{#- Segment of whoever left a trace, so that each scheme divides all of them. -#}
{% macro segment_name(is_identified, segment, activity_state) -%}
    case
        when not {{ is_identified }} then 'unidentified'
        when {{ activity_state }} = 'not_permitted' then 'not_permitted'
        else coalesce({{ segment }}, 'no_purchase_in_window')
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
