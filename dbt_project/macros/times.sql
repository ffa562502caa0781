{#- The company's calendar day of a UTC timestamp. -#}
{% macro business_date(timestamp_utc) -%}
    {{ return(adapter.dispatch('business_date', 'kith')(timestamp_utc)) }}
{%- endmacro %}

{% macro default__business_date(timestamp_utc) -%}
    cast(from_utc_timestamp({{ timestamp_utc }}, '{{ var("time_zone") }}') as date)
{%- endmacro %}

{% macro duckdb__business_date(timestamp_utc) -%}
    cast(
        timezone('{{ var("time_zone") }}', timezone('UTC', {{ timestamp_utc }})) as date
    )
{%- endmacro %}

{#- The hour that the company's clocks show at a UTC timestamp, 0 to 23. -#}
{% macro business_hour(timestamp_utc) -%}
    {{ return(adapter.dispatch('business_hour', 'kith')(timestamp_utc)) }}
{%- endmacro %}

{% macro default__business_hour(timestamp_utc) -%}
    extract(hour from from_utc_timestamp({{ timestamp_utc }}, '{{ var("time_zone") }}'))
{%- endmacro %}

{% macro duckdb__business_hour(timestamp_utc) -%}
    extract(
        hour from timezone('{{ var("time_zone") }}', timezone('UTC', {{ timestamp_utc }}))
    )
{%- endmacro %}

{#- The UTC instant at which the hour of the company's clocks began. Of the hour that
    they show twice in autumn each time has its own. -#}
{% macro business_hour_start(timestamp_utc) -%}
    {{ return(adapter.dispatch('business_hour_start', 'kith')(timestamp_utc)) }}
{%- endmacro %}

{% macro default__business_hour_start(timestamp_utc) -%}
    {%- set shown -%}
        from_utc_timestamp({{ timestamp_utc }}, '{{ var("time_zone") }}')
    {%- endset -%}
    {{ timestamp_utc }} - ({{ shown }} - date_trunc('hour', {{ shown }}))
{%- endmacro %}

{% macro duckdb__business_hour_start(timestamp_utc) -%}
    {%- set shown -%}
        timezone('{{ var("time_zone") }}', timezone('UTC', {{ timestamp_utc }}))
    {%- endset -%}
    {{ timestamp_utc }} - ({{ shown }} - date_trunc('hour', {{ shown }}))
{%- endmacro %}

{#- The UTC instant at which a business day begins. -#}
{% macro business_midnight(day) -%}
    {{ return(adapter.dispatch('business_midnight', 'kith')(day)) }}
{%- endmacro %}

{% macro default__business_midnight(day) -%}
    to_utc_timestamp(cast({{ day }} as timestamp), '{{ var("time_zone") }}')
{%- endmacro %}

{% macro duckdb__business_midnight(day) -%}
    timezone('UTC', timezone('{{ var("time_zone") }}', cast({{ day }} as timestamp)))
{%- endmacro %}

{#- The UTC instant that a text says. Cast to a timestamp, DuckDB drops an offset without
    a word; cast to one with a zone, it takes CST for a zone, which means several. -#}
{% macro instant_of_text(text) -%}
    {{ return(adapter.dispatch('instant_of_text', 'kith')(text)) }}
{%- endmacro %}

{% macro default__instant_of_text(text) -%}
    cast({{ text }} as timestamp)
{%- endmacro %}

{% macro duckdb__instant_of_text(text) -%}
    case
        when cast({{ text }} as timestamp) is not null
            then cast(cast({{ text }} as timestamp with time zone) as timestamp)
    end
{%- endmacro %}

{#- The day that a text like 2025-06-30 begins with; NULL for any other text. -#}
{% macro day_of_text(text) -%}
    {{ return(adapter.dispatch('day_of_text', 'kith')(text)) }}
{%- endmacro %}

{% macro default__day_of_text(text) -%}
    case
        when {{ text }} like '____-__-__%' then try_cast(left({{ text }}, 10) as date)
    end
{%- endmacro %}

{#- The hour that a text like 9:30 or 18-21 begins with; NULL for any other text. -#}
{% macro hour_of_text(text) -%}
    {{ return(adapter.dispatch('hour_of_text', 'kith')(text)) }}
{%- endmacro %}

{% macro default__hour_of_text(text) -%}
    case
        when {{ text }} like '_:%' or {{ text }} like '_-%' or {{ text }} like '_'
            then try_cast(left({{ text }}, 1) as bigint)
        when {{ text }} like '__:%' or {{ text }} like '__-%' or {{ text }} like '__'
            then try_cast(left({{ text }}, 2) as bigint)
    end
{%- endmacro %}
