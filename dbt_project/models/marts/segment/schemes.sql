with

declared as (
    {% for scheme in var('schemes') %}
    {% set is_last = loop.last %}
    {% for segment in scheme.segments %}
    select
        cast({{ staged_literal(scheme.name) }} as string) as scheme,
        {{ loop.index }} as position,
        cast({{ staged_literal(segment.name) }} as string) as segment,
        cast({{ staged_literal(segment.other_name) }} as string) as other_name,
        cast({{ staged_literal(segment.condition) }} as string) as condition,
        cast({{ staged_literal(scheme.definition) }} as string) as definition,
        cast({{ staged_literal(scheme.owner) }} as string) as owner,
        {{ scheme.version }} as definition_version
    {{ "union all" if not (is_last and loop.last) }}
    {% endfor %}
    {% endfor %}
),

final as (
    select
        scheme,
        cast(position as bigint) as position,
        segment,
        other_name,
        condition,
        definition,
        owner,
        cast(definition_version as bigint) as definition_version,
        {{ as_of() }} as as_of_date
    from declared
)

select * from final
