{#- Score of an answer to a standard question, as satisfaction_scores counts it: on the
    standard scale, a whole number within it. NULL for any other answer. -#}
{% macro valid_answer(answers, kind) -%}
    {%- set scale_min, scale_max = {
        'csat': (1, 5), 'nps': (0, 10), 'ces': (1, 7)
    }[kind] -%}
    case
        when
            {{ answers }}.measure = '{{ kind }}'
            and {{ answers }}.scale_min = {{ scale_min }}
            and {{ answers }}.scale_max = {{ scale_max }}
            and {{ answers }}.score between {{ scale_min }} and {{ scale_max }}
            and {{ answers }}.score = floor({{ answers }}.score)
            then cast(round({{ answers }}.score) as bigint)
    end
{%- endmacro %}
