{#- Tables that show several identifiers of a person on one row; build/dbt.py tells
    them, since dbt does not know the columns' meta while it parses this. -#}
{%- set tables = var('identifying_tables') -%}
with

{% for table in tables if table.columns %}
{%- set rows = 'rows_' ~ loop.index %}
{{ rows }} as (
    select
        {% for column in table.columns %}
        case
            when not {{ is_nobody(quoted(column.name)) }}
                then cast({{ quoted(column.name) }} as string)
        end as identifier_{{ loop.index }},
        {% endfor %}
        {% if table.cursor %}
        min(cast({{ quoted(table.cursor) }} as timestamp)) as first_seen_at,
        max(cast({{ quoted(table.cursor) }} as timestamp)) as last_seen_at
        {% else %}
        cast(null as timestamp) as first_seen_at,
        cast(null as timestamp) as last_seen_at
        {% endif %}
    from {{ source(table.source, table.table) }}
    {% if table.has_date_cursor %}
    where {{ quoted(table.cursor) }} <= {{ as_of() }}
    {% elif table.cursor %}
    where {{ quoted(table.cursor) }} < {{ as_of_at() }}
    {% endif %}
    group by
        {% for column in table.columns %}
        {{ loop.index }}{{ "," if not loop.last }}
        {% endfor %}
),
{% endfor %}

final as (
    select
        cast(null as string) as left_type,
        cast(null as string) as left_value,
        cast(null as string) as right_type,
        cast(null as string) as right_value,
        cast(null as string) as source,
        cast(null as string) as evidence,
        cast(null as timestamp) as first_seen_at,
        cast(null as timestamp) as last_seen_at
    where false
    {% for table in tables if table.columns %}
    {%- set outer = loop %}
    {% for left in table.columns %}
    {%- set position = loop.index %}
    {% for right in table.columns[position:] %}
    union all
    select
        '{{ left.kind }}' as left_type,
        identifier_{{ position }} as left_value,
        '{{ right.kind }}' as right_type,
        identifier_{{ position + loop.index }} as right_value,
        '{{ table.source }}' as source,
        'row of {{ table.table }}' as evidence,
        first_seen_at,
        last_seen_at
    from rows_{{ outer.index }}
    where
        identifier_{{ position }} is not null
        and identifier_{{ position + loop.index }} is not null
    {% endfor %}
    {% endfor %}
    {% endfor %}
)

select * from final
