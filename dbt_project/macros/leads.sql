{#- won or lost, else open: what a stage of a lead means; the words in
    var('lead_stages') come folded (kith.company.lead_stages). -#}
{% macro lead_stage_class(stage) -%}
    case
        {%- for end in ['won', 'lost'] %}
        {%- set words = var('lead_stages')[end]
            | map('replace', "'", "''") | join("', '") %}
        when {{ folded(stage) }} in ('{{ words }}') then '{{ end }}'
        {%- endfor %}
        else 'open'
    end
{%- endmacro %}
