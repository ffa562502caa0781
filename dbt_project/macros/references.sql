{#- Why nothing is known of what a record names; `finding` is that of
    int_references_resolved. -#}
{% macro missing_reason(finding) -%}
    case {{ finding }}
        when 'missing' then 'no source lists it'
        when 'ambiguous' then 'several other sources list it'
    end
{%- endmacro %}
