{#- Where a state stands in the course of a visit, from near (1) to leave (6); NULL for
    another word. -#}
{% macro state_position(state) -%}
    cast(
        case {{ state }}
            {%- for known in ['near', 'enter', 'floor', 'dwell', 'bag', 'leave'] %}
            when '{{ known }}' then {{ loop.index }}
            {%- endfor %}
        end as bigint
    )
{%- endmacro %}

{#- Whether a reading with that position was taken within the place. -#}
{% macro is_inside(position) -%}
    coalesce({{ position }} between 2 and 5, false)
{%- endmacro %}
