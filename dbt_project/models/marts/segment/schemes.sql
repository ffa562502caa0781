with

declared as (
    {% for scheme in var('schemes') %}
    {% set is_last = loop.last %}
    {% for segment in scheme.segments %}
    select
        {{ as_text(scheme.name) }} as scheme,
        {{ loop.index }} as position,
        {{ as_text(segment.name) }} as segment,
        {{ as_text(segment.other_name) }} as other_name,
        {{ as_text(segment.condition) }} as condition,
        {{ as_text(scheme.definition) }} as definition,
        {{ as_text(scheme.owner) }} as owner,
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
