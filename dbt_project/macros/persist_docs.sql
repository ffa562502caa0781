{#- Comments of a mart and its columns in one statement. dbt-duckdb asks for the columns
    twice and comments in two; but a contract is enforced, so that the columns described
    are those of the table. -#}
{% macro duckdb__persist_docs(relation, model, for_relation=true, for_columns=true) -%}
    {% set comments = [] %}
    {% if for_relation and config.persist_relation_docs() and model.description %}
        {% do comments.append(duckdb__alter_relation_comment(relation, model.description)) %}
    {% endif %}
    {% if for_columns and config.persist_column_docs() %}
        {% for column in model.columns.values() %}
            {% do comments.append(
                "comment on column " ~ relation ~ "." ~ adapter.quote(column.name)
                ~ " is " ~ duckdb_escape_comment(column.description) ~ ";"
            ) %}
        {% endfor %}
    {% endif %}
    {% if comments %}{% do run_query(comments | join("\n")) %}{% endif %}
{%- endmacro %}
