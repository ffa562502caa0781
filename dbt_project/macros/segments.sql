{#- Segment of whoever left a trace, so that each scheme divides all of them. -#}
{% macro segment_name(is_identified, segment) -%}
    case
        when {{ is_identified }} then coalesce({{ segment }}, 'no_purchase_in_window')
        else 'unidentified'
    end
{%- endmacro %}
