{#- A query of the weights that company.yml declares: segment, name of a dimension or of a
    part of value, weight. -#}
{% macro declared_weights() -%}
    {% for row in var('weights') %}
    select
        {{ staged_literal(row.segment or '') }} as segment,
        {{ staged_literal(row.name or '') }} as name,
        cast({{ row.weight or 0 }} as double) as weight
    union all
    {% endfor %}
    select
        cast(null as string) as segment,
        cast(null as string) as name,
        cast(null as double) as weight
    where false
{%- endmacro %}

{#- A query of the segment in which each customer was at the end of each month, in the
    scheme whose segments have weights. -#}
{% macro weighted_segments() -%}
    select
        customer_id,
        state_on,
        coalesce(
            {% for scheme in var('schemes') if scheme.name == var('weighted_scheme') %}
            {{ segment_of(scheme) }},
            {% endfor %}
            'other'
        ) as segment
    from {{ ref('int_customer_states') }}
{%- endmacro %}

{#- A query of the answers that tell a part of value or cost. -#}
{% macro told_parts() -%}
    {% for row in var('value_parts') %}
    select
        {{ staged_literal(row.part or '') }} as part,
        {{ staged_literal(row.measure or '') }} as measure,
        {{ staged_literal(row.dimension or '') }} as dimension,
        {{ 'true' if row.is_reversed else 'false' }} as is_reversed
    {{ "union all" if not loop.last }}
    {% endfor %}
{%- endmacro %}

{#- Those of the names whose `condition` holds, with {} for the name, as 'one, other'; NULL
    for none. -#}
{% macro names_where(names, condition) -%}
    nullif(
        replace(
            trim(
                {%- for name in names %}
                case when {{ condition.format(name) }} then '{{ name }} ' else '' end
                {{- " ||" if not loop.last }}
                {%- endfor %}
            ),
            ' ', ', '
        ),
        ''
    )
{%- endmacro %}
