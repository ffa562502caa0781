{#- Seconds since 1970 of a UTC timestamp, with fractions where the engine keeps them. -#}
{% macro epoch_seconds(timestamp_utc) -%}
    {{ return(adapter.dispatch('epoch_seconds', 'kith')(timestamp_utc)) }}
{%- endmacro %}

{% macro default__epoch_seconds(timestamp_utc) -%}
    unix_micros({{ timestamp_utc }}) / 1000000.0e0
{%- endmacro %}

{% macro duckdb__epoch_seconds(timestamp_utc) -%}
    epoch({{ timestamp_utc }})
{%- endmacro %}

{#- Several columns as one value that orders by the first, then the second, and so on,
    each with NULL last: what min_by needs to have no ties. -#}
{% macro ordering(columns) -%}
    {{ return(adapter.dispatch('ordering', 'kith')(columns)) }}
{%- endmacro %}

{% macro default__ordering(columns) -%}
    struct(
    {%- for column in columns -%}
        {{ column }} is null, {{ column }}{{ ", " if not loop.last }}
    {%- endfor -%}
    )
{%- endmacro %}

{% macro duckdb__ordering(columns) -%}
    row({{ columns | join(', ') }})
{%- endmacro %}

{% macro hours_between(first, last) -%}
    (({{ epoch_seconds(last) }} - {{ epoch_seconds(first) }}) / 3600.0e0)
{%- endmacro %}
