{#- A query of one column `number`: 1 … upper_bound. -#}
{% macro numbers(upper_bound) -%}
    select cast(series.number as bigint) as number
    from {{ series(upper_bound) }} as series (number)
{%- endmacro %}

{% macro series(upper_bound) -%}
    {{ return(adapter.dispatch('series', 'kith')(upper_bound)) }}
{%- endmacro %}

{% macro default__series(upper_bound) -%}
    explode(sequence(1, {{ upper_bound }}))
{%- endmacro %}

{% macro duckdb__series(upper_bound) -%}
    generate_series(1, {{ upper_bound }})
{%- endmacro %}

{#- A number as text: 5 for 5.0, 0.5 for 0.5. -#}
{% macro written(number) -%}
    case
        when {{ number }} = floor({{ number }})
            then cast(cast(round({{ number }}) as bigint) as string)
        else cast({{ number }} as string)
    end
{%- endmacro %}
