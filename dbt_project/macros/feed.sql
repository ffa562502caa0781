{#- The rows of a feed: what the company's staging models deliver for it, in the columns
    and types of the feed's contract, as it was known at the as-of date. This is the
    only place that cuts:
    - Rows whose event time (`event_time` in the feed's YAML) lies at or after the first
      instant after the as-of date are left out; int_rows_cut counts them. Rows without
      an event time stay. Rows of a feed that is `part_of` another one, with its key,
      go with the row to which they belong.
    - A column with `known_at` in its `meta` is NULL where one of the times named there
      lies after the as-of date.
    A column that a staging model leaves out is NULL. Without a staging model the feed
    is an empty table of the right shape. -#}
{% macro feed(part_of=none) -%}
    {%- do staged_models(feed_name(model.name)) -%}
    {%- do staged_models(part_of) -%}
    {%- set as_of_at = as_of_at() -%}
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
            where {{ part_of }}.{{ whole.config.event_time }} >= {{ as_of_at }}
        )
        {%- endif %}

        select
        {%- for column in model.columns.values() %}
            {{ as_known(column, as_of_at) }}{{ "," if not loop.last }}
        {%- endfor %}
        from delivered
        {%- if model.config.event_time %}
        where
            delivered.{{ model.config.event_time }} is null
            or delivered.{{ model.config.event_time }} < {{ as_of_at }}
        {%- endif %}
        {%- if part_of %}
        where
            not exists (
                select 1
                from {{ part_of }}_cut
                where
                    {{ part_of }}_cut.source = delivered.source
                    and {{ part_of }}_cut.{{ key[1] }} = delivered.{{ key[1] }}
            )
        {%- endif %}
    {%- endif -%}
{%- endmacro %}

{#- The staging models that provide a feed. -#}
{% macro staged_models(feed) -%}
    {%- set relations = [] -%}
    {%- for staging_model in var('feeds').get(feed, []) -%}
        {%- do relations.append(ref(staging_model)) -%}
    {%- endfor -%}
    {{ return(relations) }}
{%- endmacro %}

{#- All rows that the staging models deliver for a feed, before the cut; `node` is the
    feed's model. -#}
{% macro delivered_rows(node) -%}
    {%- for relation in staged_models(feed_name(node.name)) -%}
        {{ "\nunion all\n" if not loop.first }}
        {{- staged_as_contracted(relation, node) }}
    {%- else -%}
        select
        {%- for column in node.columns.values() %}
            cast(null as {{ column.data_type }}) as {{ column.name }}
            {{- "," if not loop.last }}
        {%- endfor %}
        where false
    {%- endfor -%}
{%- endmacro %}

{% macro staged_as_contracted(relation, node) -%}
    {%- set delivered = adapter.get_columns_in_relation(relation)
        | map(attribute='name') | map('lower') | list -%}
    {%- for name in delivered if name not in node.columns -%}
        {{ exceptions.raise_compiler_error(
            relation.identifier ~ ": column '" ~ name ~ "' is not in the feed '"
            ~ feed_name(node.name) ~ "'; it knows " ~ node.columns | join(', ')
            ~ ". Rename or remove it in the staging model."
        ) }}
    {%- endfor -%}
    select
    {%- for column in node.columns.values() %}
        cast({{ column.name if column.name in delivered else "null" }} as
        {{- " " ~ column.data_type }}) as {{ column.name }}
        {{- "," if not loop.last }}
    {%- endfor %}
    from {{ relation }}
{%- endmacro %}

{% macro as_known(column, as_of_at) -%}
    {%- set known_at = column.config.meta.known_at -%}
    {%- if known_at -%}
        case
            when
                {%- for time in known_at %}
                {{ "or " if not loop.first }}delivered.{{ time }} >= {{ as_of_at }}
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
