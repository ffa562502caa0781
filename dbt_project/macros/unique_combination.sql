{#- Data test: no two rows agree in all of `columns`. Returns the keys that repeat.
    Grouping by a hash of eight bytes first halves time and memory on tens of millions
    of rows; the second look settles collisions. -#}
{% test unique_combination(model, columns) %}
    with suspects as (
        select {{ row_hash(columns) }} as row_hash
        from {{ model }}
        group by {{ row_hash(columns) }}
        having count(*) > 1
    )

    select
        {{ columns | join(', ') }},
        count(*) as row_count
    from {{ model }}
    where {{ row_hash(columns) }} in (select suspects.row_hash from suspects)
    group by {{ columns | join(', ') }}
    having count(*) > 1
{% endtest %}

{#- An integer of 64 bits that depends on the columns' values; not unique. -#}
{% macro row_hash(columns) -%}
    {{ return(adapter.dispatch('row_hash', 'kith')(columns)) }}
{%- endmacro %}

{% macro default__row_hash(columns) -%}
    xxhash64({{ columns | join(', ') }})
{%- endmacro %}

{% macro duckdb__row_hash(columns) -%}
    hash({{ columns | join(', ') }})
{%- endmacro %}
