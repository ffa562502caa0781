{%- set judged = ref('int_indicators_judged') -%}
{%- set traits_from = ref('feed_attributes') -%}
{%- set findings = ref('int_indicator_findings') if var('models') else none -%}
{%- if execute -%}
{%- set declared = [] -%}
{%- do all_indicators(declared) -%}
with

declared as (
    select *
    from (
        values
        {%- for each in declared %}
        (
            {{ loop.index }},
            {{ staged_literal(each.name) }},
            {{ staged_literal(each.definition) }},
            {{ staged_literal(each.kind) }},
            {{ staged_literal(each.channel) }},
            {{ staged_literal(each.measure) }},
            {{ staged_literal(each.window_days) }}
        ){{ "," if not loop.last }}
        {%- endfor %}
    ) as listed (
        position, indicator, definition, kind, channel, measure, window_days
    )
),

judged as (
    select * from {{ judged }}
),

-- A leak is left out of the models of its questions, and stays one of the indicators.
leaks as (
    {% if findings %}
    select
        indicator,
        {{ sorted_list("question || ': ' || reason") }} as reason
    from {{ findings }}
    where status = 'leak'
    group by indicator
    {% else %}
    select
        cast(null as string) as indicator,
        cast(null as string) as reason
    where false
    {% endif %}
),

run as (
    select * from {{ source('kith', 'run') }}
),

final as (
    select
        declared.indicator,
        cast(declared.position as bigint) as position,
        declared.definition,
        declared.kind,
        declared.channel,
        declared.measure,
        cast(declared.window_days as bigint) as window_days,
        case when declared.kind = 'own' then run.company else 'kith' end as owner,
        case when leaks.indicator is null then judged.status else 'leak' end
            as status,
        coalesce(leaks.reason, judged.reason) as reason,
        judged.known_count,
        judged.differing_count,
        judged.n,
        {{ as_of() }} as as_of_date
    from declared
    inner join judged on declared.indicator = judged.indicator
    left join leaks on declared.indicator = leaks.indicator
    cross join run
)

select * from final
{%- endif -%}
