{#- A query without rows, with the columns of a model's contract: of this model's, or of
    those of `node`. dbt reads the YAML after it has parsed the SQL: no columns are
    known before. -#}
{% macro no_rows(node=none) -%}
    {%- if execute -%}
        select
        {%- for column in (node or model).columns.values() %}
            cast(null as {{ column.data_type }}) as {{ column.name }}
            {{- "," if not loop.last }}
        {%- endfor %}
        where false
    {%- endif -%}
{%- endmacro %}
