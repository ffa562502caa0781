{#- Months are dates: the first day of the month. -#}
{% macro month_of(day) -%}
    cast(date_trunc('month', {{ day }}) as date)
{%- endmacro %}

{#- Such as 2024-03. -#}
{% macro month_name(month) -%}
    left(cast({{ month }} as string), 7)
{%- endmacro %}

{#- Written out, since dbt-spark's datediff is wrong at the ends of months. -#}
{% macro months_between(first_month, last_month) -%}
    cast(
        (extract(year from {{ last_month }}) - extract(year from {{ first_month }}))
        * 12
        + extract(month from {{ last_month }})
        - extract(month from {{ first_month }}) as bigint
    )
{%- endmacro %}

{% macro add_months(day, count) -%}
    cast({{ day }} + interval '1' month * {{ count }} as date)
{%- endmacro %}

{% macro add_days(day, count) -%}
    cast({{ day }} + interval '1' day * {{ count }} as date)
{%- endmacro %}

{% macro days_between(first_day, last_day) -%}
    {{ return(adapter.dispatch('days_between', 'kith')(first_day, last_day)) }}
{%- endmacro %}

{% macro default__days_between(first_day, last_day) -%}
    cast(datediff({{ last_day }}, {{ first_day }}) as bigint)
{%- endmacro %}

{% macro duckdb__days_between(first_day, last_day) -%}
    date_diff('day', {{ first_day }}, {{ last_day }})
{%- endmacro %}

{#- Distinct days of one month on which the condition held, in one pass: a bit per
    day costs a tenth of count(distinct) over millions of groups. -#}
{% macro count_days_of_month(day, condition) -%}
    cast(
        bit_count(
            bit_or(
                case
                    when {{ condition }}
                        then cast(round(power(2, extract(day from {{ day }}))) as bigint)
                    else 0
                end
            )
        ) as bigint
    )
{%- endmacro %}

{#- Last day of a row's period, which is a year, or all days up to the as-of date. -#}
{% macro end_of_year_or_all() -%}
    case
        when period_grain = 'all' then {{ as_of() }}
        else {{ add_days(add_months('period_start', 12), -1) }}
    end
{%- endmacro %}
