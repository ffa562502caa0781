{#- The standard question whose answer this is: csat, nps or ces on its own scale, else
    'other'. -#}
{% macro standard_of(answers) -%}
    {%- set scales = {'csat': (1, 5), 'nps': (0, 10), 'ces': (1, 7)} -%}
    case
        {%- for kind, (scale_min, scale_max) in scales.items() %}
        when
            {{ answers }}.measure = '{{ kind }}'
            and {{ answers }}.scale_min = {{ scale_min }}
            and {{ answers }}.scale_max = {{ scale_max }}
            then '{{ kind }}'
        {%- endfor %}
        else 'other'
    end
{%- endmacro %}

{#- Whether an answer is a score: on its scale, to a standard question a whole number. -#}
{% macro is_valid_answer(answers) -%}
    {{ answers }}.score between {{ answers }}.scale_min and {{ answers }}.scale_max
    and (
        {{ standard_of(answers) }} = 'other'
        or {{ answers }}.score = floor({{ answers }}.score)
    )
{%- endmacro %}

{#- Score of a valid answer to a standard question. NULL for any other answer. -#}
{% macro valid_answer(answers, kind) -%}
    case
        when
            {{ standard_of(answers) }} = '{{ kind }}'
            and {{ is_valid_answer(answers) }}
            then cast(round({{ answers }}.score) as bigint)
    end
{%- endmacro %}

{#- Whether an answer is about the whole, not about a dimension or a factor of it. -#}
{% macro is_about_the_whole(answers) -%}
    coalesce({{ answers }}.dimension, 'overall') = 'overall'
    and {{ answers }}.factor is null
{%- endmacro %}
