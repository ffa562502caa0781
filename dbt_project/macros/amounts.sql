{#- Quotients of amounts, from exact decimals. In doubles 0.07 is not 7 / 100, so that
    the half of an amount would be 49.99999999999999 % of it and the mean of five times
    19.99 above 19.99. In hundredths amounts are whole numbers, which doubles hold
    exactly: the quotient is then as near to the true one as a double can be. -#}

{#- 100 * part / whole, a double; `whole` is not 0. -#}
{% macro percent_of(part, whole) -%}
    cast(10000 * {{ part }} as double) / cast(100 * {{ whole }} as double)
{%- endmacro %}

{#- total / count as a double; NULL where nothing was counted. -#}
{% macro mean_of(total, count) -%}
    cast(100 * {{ total }} as double) / nullif({{ count }}, 0) / 100
{%- endmacro %}

{#- The same as an amount: half a cent is rounded away from 0. -#}
{% macro mean_amount(total, count) -%}
    cast(
        cast(
            round(cast(100 * {{ total }} as double) / nullif({{ count }}, 0))
            as decimal(18, 0)
        ) * cast(0.01 as decimal(2, 2)) as decimal(18, 2)
    )
{%- endmacro %}

{#- The sum of doubles, as decimals: what parallel work adds up in another order would
    else differ in its last digits, and with it the release. Values that may reach a
    million are in need of a wider type. -#}
{% macro exact_sum(value, type='decimal(18, 12)') -%}
    cast(sum(cast({{ value }} as {{ type }})) as double)
{%- endmacro %}
