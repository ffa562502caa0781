{#- The rows of a feed: what the company's staging models deliver for it, in the columns
    and types of the feed's contract, as it was known at the as-of date. This is the
    only place that cuts:
    - Rows whose event time (`event_time` in the feed's YAML) lies at or after the first
      instant after the as-of date are left out; int_rows_cut counts them. Rows without
      an event time stay. Rows of a feed that is `part_of` another one, with its key,
      go with the row to which they belong.
    - A column with `known_at` in its `meta` is NULL where one of the times named there
      lies after the as-of date.
    A column that a staging model leaves out is NULL, and so is a person whose identifier
    says that nobody is known. Without a staging model the feed is an empty table of the
    right shape. -#}
{% macro feed(part_of=none) -%}
    {{- depends_on_staging(feed_name(model.name)) -}}
    {{- depends_on_staging(part_of) -}}
    {%- set cut_at = as_of_at() -%}
    {#- dbt reads the YAML after it has parsed the SQL: no columns are known before. -#}
    {%- if execute -%}
        with

        delivered as (
            {{ delivered_rows(model) }}
        )

        {%- if part_of %}
        {%- set whole = graph.nodes['model.kith.feed_' ~ part_of] -%}
        {%- set key = whole.columns.keys() | list -%}
        ,

        {{ part_of }}_cut as (
            select *
            from (
                {{ delivered_rows(whole) }}
            ) as {{ part_of }}
            where {{ part_of }}.{{ whole.config.event_time }} >= {{ cut_at }}
        )
        {%- endif %}

        select
        {%- for column in model.columns.values() %}
            {{ as_known(column, cut_at) }}{{ "," if not loop.last }}
        {%- endfor %}
        from delivered
        where
            true
        {%- if model.config.event_time %}
            and (
                delivered.{{ model.config.event_time }} is null
                or delivered.{{ model.config.event_time }} < {{ cut_at }}
            )
        {%- endif %}
        {%- if part_of %}
            and not exists (
                select 1
                from {{ part_of }}_cut
                where
                    {{ part_of }}_cut.source = delivered.source
                    and {{ part_of }}_cut.{{ key[1] }} = delivered.{{ key[1] }}
            )
        {%- endif %}
    {%- endif -%}
{%- endmacro %}

{#- The rows that feeds leave out by their event time, as a query of feed, source,
    record_id and event_at. Staging is read once more for it. -#}
{% macro rows_cut() -%}
    {%- set queries = [] -%}
    {%- for feed in var('feeds') -%}
        {{- depends_on_staging(feed) -}}
        {%- set node = graph.nodes['model.kith.feed_' ~ feed] if execute else none -%}
        {%- if node and node.config.event_time -%}
            {%- do queries.append(feed_rows_cut(feed, node)) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ (queries or [no_rows_cut()]) | join('\nunion all\n') }}
{%- endmacro %}

{% macro feed_rows_cut(feed, node) -%}
    select
        '{{ feed }}' as feed,
        source,
        {{ (node.columns.keys() | list)[1] }} as record_id,
        {{ node.config.event_time }} as event_at
    from (
        {{ delivered_rows(node) }}
    ) as delivered
    where {{ node.config.event_time }} >= {{ as_of_at() }}
{%- endmacro %}

{% macro no_rows_cut() -%}
    select
        cast(null as string) as feed,
        cast(null as string) as source,
        cast(null as string) as record_id,
        cast(null as timestamp) as event_at
    where false
{%- endmacro %}

{#- Tells dbt, while it parses a model, which staging models that will read. -#}
{% macro depends_on_staging(feed) -%}
    {%- for staging_model in var('feeds').get(feed, []) -%}
        {%- do ref(staging_model) -%}
    {%- endfor -%}
{%- endmacro %}

{#- All rows that the staging models deliver for a feed, before the cut; `node` is the
    feed's model. -#}
{% macro delivered_rows(node) -%}
    {%- for staging_model in var('feeds').get(feed_name(node.name), []) -%}
        {{ "\nunion all\n" if not loop.first }}
        {{- staged_as_contracted(ref(staging_model), node) }}
    {%- else -%}
        {{ no_rows(node) }}
    {%- endfor -%}
{%- endmacro %}

{% macro staged_as_contracted(relation, node) -%}
    {%- set delivered = {} -%}
    {%- for column in adapter.get_columns_in_relation(relation) -%}
        {%- do delivered.update({column.name | lower: column.data_type | lower}) -%}
    {%- endfor -%}
    {%- for name in delivered if name not in node.columns -%}
        {{ exceptions.raise_compiler_error(
            relation.identifier ~ ": column '" ~ name ~ "' is not in the feed '"
            ~ feed_name(node.name) ~ "'; it knows " ~ node.columns | join(', ')
            ~ ". Rename or remove it in the staging model."
        ) }}
    {%- endfor -%}
    {#- Of columns that may name nobody the one that says so. -#}
    {%- set told_by = {
        'identifier_type': 'identifier_value', 'identifier_value': 'identifier_value',
        'device_id': 'device_id', 'session_id': 'session_id',
    } -%}
    select
    {%- for column in node.columns.values() %}
        {%- set given = column.name if column.name in delivered else "null" %}
        {%- if told_by.get(column.name) in delivered %}
        {%- set given = "case when not " ~ is_nobody(told_by[column.name])
            ~ " then " ~ given ~ " end" %}
        {%- endif %}
        {%- set kind = delivered.get(column.name, '').split('(')[0] %}
        {%- set is_text = kind in ['character varying', 'varchar', 'string'] %}
        {%- if is_text and column.data_type == 'timestamp' %}
        {{ instant_of_text(given) }} as {{ column.name }}
        {%- else %}
        cast({{ given }} as {{ column.data_type }}) as {{ column.name }}
        {%- endif %}
        {{- "," if not loop.last }}
    {%- endfor %}
    from {{ relation }}
{%- endmacro %}

{% macro as_known(column, cut_at) -%}
    {%- set known_at = column.config.meta.known_at -%}
    {%- if known_at -%}
        case
            when
                {%- for time in known_at %}
                {{ "or " if not loop.first }}delivered.{{ time }} >= {{ cut_at }}
                {%- endfor %}
                then null
            else delivered.{{ column.name }}
        end as {{ column.name }}
    {%- else -%}
        delivered.{{ column.name }}
    {%- endif -%}
{%- endmacro %}

{#- `customers` for the model feed_customers. -#}
{% macro feed_name(model_name) -%}
    {{ return(model_name[5:]) }}
{%- endmacro %}
