{#- Data test of a feed: no staging model delivers a number with more decimals than the
    feed's contract keeps, which would be rounded without a word. What differs as floats
    of its size do is forgiven, as at the door (kith.deliveries.casts). Only types that
    can hold such a number are read. Returns the rows with column and number. -#}
{% test unrounded(model, feed) %}
    {{- depends_on_staging(feed) -}}
    {%- set queries = [] -%}
    {%- if execute -%}
        {%- set columns = graph.nodes['model.kith.feed_' ~ feed].columns -%}
        {%- for staging_model in var('feeds').get(feed, []) -%}
            {%- set relation = ref(staging_model) -%}
            {%- for staged in adapter.get_columns_in_relation(relation) -%}
                {%- set column = columns.get(staged.name | lower) -%}
                {%- set given = decimals_of(staged.data_type) | int -%}
                {%- if column and decimals_of(column.data_type) | int < given -%}
                    {%- do queries.append(
                        rounded_numbers(relation, (columns | list)[1], column)
                    ) -%}
                {%- endif -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endif -%}
    {{ (queries or ["select 1 as nothing_to_round where false"])
        | join('\nunion all\n') }}
{% endtest %}

{#- How many decimals a type holds, as text; 99 for all but decimals and whole numbers:
    for a float, and for text, which a feed may turn into a number. -#}
{% macro decimals_of(data_type) -%}
    {%- set kind = (data_type | lower).split('(')[0] -%}
    {%- if kind == 'decimal' -%}
        {{ data_type.split(',')[1].strip(' )') }}
    {%- elif kind in [
        'tinyint', 'smallint', 'int', 'integer', 'bigint', 'hugeint',
        'utinyint', 'usmallint', 'uinteger', 'ubigint', 'uhugeint',
    ] -%}
        0
    {%- else -%}
        99
    {%- endif -%}
{%- endmacro %}

{% macro rounded_numbers(relation, key, column) -%}
    {%- set places = decimals_of(column.data_type) | int -%}
    {%- set number = 'cast(' ~ column.name ~ ' as double)' -%}
    {%- set kept = 'cast(cast(' ~ column.name ~ ' as decimal(38, ' ~ places
        ~ ')) as double)' -%}
    select
        source,
        {{ key }},
        '{{ column.name }}' as column_name,
        cast({{ column.name }} as string) as number
    from {{ relation }}
    where
        abs({{ number }} - {{ kept }}) > greatest(
            1e-{{ places + 6 }},
            least(abs({{ number }}) * 1e-15, 0.0625 * 1e-{{ places }})
        )
{%- endmacro %}
