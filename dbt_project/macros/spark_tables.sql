{#- How dbt-spark makes a model's table: as Parquet, which needs no other software. -#}
{% macro spark__file_format_clause() -%}
    using parquet
{%- endmacro %}

{#- Where Kith, and the workers of a cluster, find a schema's tables. -#}
{% macro spark__create_schema(relation) -%}
    {%- call statement('create_schema') -%}
    create schema if not exists {{ relation }}
    location '{{ env_var("KITH_SPARK_TABLES") }}/built/{{ relation.schema }}'
    {%- endcall -%}
{%- endmacro %}

{#- Parquet tables enforce no constraint: that nothing is NULL is left to data tests. -#}
{% macro spark__persist_constraints(relation, model) -%}
{%- endmacro %}

{#- Spark counts rows and days in 32 bits, DuckDB in 64, and so do the contracts. Whole
    numbers are widened where a contract says bigint; any other number stays what it
    is, and breaks the contract. -#}
{% macro spark__get_assert_columns_equivalent(sql) -%}
    {{ return(assert_columns_equivalent(widened(sql))) }}
{%- endmacro %}

{% macro spark__get_select_subquery(sql) -%}
    {{ return(default__get_select_subquery(widened(sql))) }}
{%- endmacro %}

{% macro widened(sql) -%}
    {%- set names = [] -%}
    {%- for column in model.columns.values() if column.data_type == 'bigint' -%}
        {%- do names.append(column.name) -%}
    {%- endfor -%}
    {%- if names -%}
    select
        * except ({{ names | join(', ') }})
        {%- for name in names %},
        cast(0 as bigint) + {{ name }} as {{ name }}
        {%- endfor %}
    from (
        {{ sql }}
    ) as narrow
    {%- else -%}
        {{ sql }}
    {%- endif -%}
{%- endmacro %}
