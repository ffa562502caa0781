{#- The rows of a feed: what the company's staging models deliver for it, in the columns
    and types of the feed's contract. A column that a staging model leaves out is NULL;
    without a staging model the feed is an empty table of the right shape. -#}
{% macro feed() -%}
    {%- set staging_models = var('feeds').get(feed_name(model.name), []) -%}
    {%- for staging_model in staging_models %}{% do ref(staging_model) %}{% endfor -%}
    {#- dbt reads the YAML after it has parsed the SQL: no columns are known before. -#}
    {%- if execute -%}
        {%- for staging_model in staging_models -%}
            {{ "\nunion all\n" if not loop.first }}
            {{- staged_as_contracted(ref(staging_model)) }}
        {%- else -%}
            select
            {%- for column in model.columns.values() %}
                cast(null as {{ column.data_type }}) as {{ column.name }}
                {{- "," if not loop.last }}
            {%- endfor %}
            where false
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{% macro staged_as_contracted(relation) -%}
    {%- set delivered = adapter.get_columns_in_relation(relation)
        | map(attribute='name') | map('lower') | list -%}
    {%- for name in delivered if name not in model.columns -%}
        {{ exceptions.raise_compiler_error(
            relation.identifier ~ ": column '" ~ name ~ "' is not in the feed '"
            ~ feed_name(model.name) ~ "'; it knows " ~ model.columns | join(', ')
            ~ ". Rename or remove it in the staging model."
        ) }}
    {%- endfor -%}
    select
    {%- for column in model.columns.values() %}
        cast({{ column.name if column.name in delivered else "null" }} as
        {{- " " ~ column.data_type }}) as {{ column.name }}
        {{- "," if not loop.last }}
    {%- endfor %}
    from {{ relation }}
{%- endmacro %}

{#- `customers` for the model feed_customers. -#}
{% macro feed_name(model_name) -%}
    {{ return(model_name[5:]) }}
{%- endmacro %}
