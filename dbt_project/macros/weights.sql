{#- A query of the weights that company.yml declares: segment, name of a dimension or of a
    part of value, weight. -#}
{% macro declared_weights() -%}
    {% for row in var('weights') %}
    select
        {{ staged_literal(row.segment) }} as segment,
        {{ staged_literal(row.name) }} as name,
        cast({{ row.weight }} as double) as weight
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
        {{ segment_of(var('weighted_scheme')) }} as segment
    from {{ ref('int_customer_states') }}
{%- endmacro %}
