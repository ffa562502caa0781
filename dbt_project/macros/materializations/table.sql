{#- A table in place: what stood there goes first. dbt-duckdb builds beside it, renames
    twice and drops, which takes longer than computing a small mart; but a candidate is
    built anew by each run, and nobody reads it before the gate has. -#}
{% materialization table, adapter="duckdb", supported_languages=["sql", "python"] %}
    {%- set relation = this.incorporate(type="table") -%}
    {{ run_hooks(pre_hooks) }}
    {% do drop_relation_if_exists(load_cached_relation(this)) %}
    {% call statement("main", language=model["language"]) -%}
        {{ create_table_as(False, relation, compiled_code, model["language"]) }}
    {%- endcall %}
    {% do persist_docs(relation, model) %}
    {{ run_hooks(post_hooks) }}
    {{ adapter.commit() }}
    {{ return({"relations": [relation]}) }}
{% endmaterialization %}
