{#- First business day of the window that RFM looks at; it ends on `last_day`. -#}
{% macro rfm_window_start(last_day) -%}
    {{ add_days(last_day, '(1 - ' ~ var('rfm_window_days') ~ ')') }}
{%- endmacro %}

{#- How many of a dimension's four cut points lie below a value, 0 … 4. -#}
{% macro cuts_below(value, cut_points) -%}
    (
        case when {{ value }} > {{ cut_points }}.cut_20 then 1 else 0 end
        + case when {{ value }} > {{ cut_points }}.cut_40 then 1 else 0 end
        + case when {{ value }} > {{ cut_points }}.cut_60 then 1 else 0 end
        + case when {{ value }} > {{ cut_points }}.cut_80 then 1 else 0 end
    )
{%- endmacro %}
