{#- A query of the stages of a dependant's life that company.yml declares, the youngest
    first: number, name, category that holds what is needed, age in months from which and
    until which it lasts. -#}
{% macro declared_life_stages() -%}
    {% for row in var('life_stages') %}
    select
        {{ loop.index }} as stage_number,
        {{ staged_literal(row.name or '') }} as stage,
        {{ staged_literal(row.category or '') }} as need,
        cast({{ row.from_months or 0 }} as bigint) as from_months,
        cast(
            {{ 'null' if row.until_months is none else row.until_months or 0 }} as bigint
        ) as until_months
    union all
    {% endfor %}
    select
        cast(null as bigint) as stage_number,
        cast(null as string) as stage,
        cast(null as string) as need,
        cast(null as bigint) as from_months,
        cast(null as bigint) as until_months
    where false
{%- endmacro %}
