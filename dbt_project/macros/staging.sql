{#- Short forms for what staging models do again and again: mapping a source to a feed. -#}

{#- Columns identifier_type and identifier_value: the strongest identifier that a row
    carries, both NULL where it carries none. `identifiers` names kind and column, the
    strongest first: {'card_number': 'card', 'device': 'device_hash'}. One that the
    company blocks gives way to the next, and stands only where there is no other. -#}
{% macro identified_by(identifiers) -%}
    case
    {%- for kind, column in identifiers.items() %}
        when not {{ is_blocked(kind, column) }} then '{{ kind }}'
    {%- endfor %}
    {%- for kind, column in identifiers.items() %}
        when {{ column }} is not null then '{{ kind }}'
    {%- endfor %}
    end as identifier_type,
    case
    {%- for kind, column in identifiers.items() %}
        when not {{ is_blocked(kind, column) }} then cast({{ column }} as string)
    {%- endfor %}
        else
            coalesce(
            {%- for column in identifiers.values() %}
                cast({{ column }} as string){{ "," if not loop.last }}
            {%- endfor %}
            )
    end as identifier_value
{%- endmacro %}

{#- Whether an identifier is one of those that the company blocks; NULL for none. -#}
{% macro is_blocked(kind, column) -%}
    {{ return(adapter.dispatch('is_blocked', 'kith')(kind, column)) }}
{%- endmacro %}

{% macro default__is_blocked(kind, column) -%}
    array_contains(
        (
            select collect_set(blocked.identifier_value)
            from {{ source('kith', 'blocked_identifiers') }} as blocked
            where blocked.identifier_type = '{{ kind }}'
        ),
        cast({{ column }} as string)
    )
{%- endmacro %}

{% macro duckdb__is_blocked(kind, column) -%}
    list_contains(
        (
            select coalesce(list(blocked.identifier_value), [])
            from {{ source('kith', 'blocked_identifiers') }} as blocked
            where blocked.identifier_type = '{{ kind }}'
        ),
        cast({{ column }} as string)
    )
{%- endmacro %}

{#- Words for codes; `otherwise` is SQL, for a code that is not among `labels`. A code is
    written as the column's type wants it: {'1': 'male'} for text, {1: 'male'} else. -#}
{% macro code_label(column, labels, otherwise='null') -%}
    case {{ column }}
    {%- for code, label in labels.items() %}
        when {{ staged_literal(code) }} then {{ staged_literal(label) }}
    {%- endfor %}
        else {{ otherwise }}
    end
{%- endmacro %}

{#- A query that makes one row of each filled column of a wide row, in one pass.
    `kept`: columns repeated on each row. `items`: of each column its name and what to
    write beside its value, in the columns `named`; a mere name is written itself.
    `value`: what the value's column is called, cast to `data_type`.
        unpivoted('answers', ['card'], ['question', 'scale_max'],
            [['q1', 'How was the food?', 5], ['q2', 'And the service?', 5]],
            'score', 'double') -#}
{% macro unpivoted(relation, kept, named, items, value, data_type) -%}
    select
        {{ (kept + named + [value]) | join(',\n        ') }}
    from (
        select
        {%- for column in kept %}
            {{ relation }}.{{ column }},
        {%- endfor %}
        {%- for name in named %}
            items.{{ name }},
        {%- endfor %}
            case items.item_column
            {%- for item in items %}
                {%- set column = item if item is string else item[0] %}
                when '{{ column }}'
                    then cast({{ relation }}.{{ column }} as {{ data_type }})
            {%- endfor %}
            end as {{ value }}
        from {{ relation }}
        cross join (
            values
            {%- for item in items %}
                {%- set constants = [item, item] if item is string else item %}
                (
                {%- for constant in constants -%}
                    {{ staged_literal(constant) }}{{ ", " if not loop.last }}
                {%- endfor -%}
                ){{ "," if not loop.last }}
            {%- endfor %}
        ) as items (item_column, {{ named | join(', ') }})
    ) as unpivoted_rows
    where {{ value }} is not null
{%- endmacro %}

{#- Two quotes within a text are one to DuckDB alone. -#}
{% macro staged_literal(constant) -%}
    {%- if constant is none -%} null
    {%- elif constant is string -%}
        '{{ constant.split("'") | join("' || chr(39) || '") }}'
    {%- else -%} {{ constant }}
    {%- endif -%}
{%- endmacro %}
