{#- Feeds whose rows are about a person, each with the time of a trace. -#}
{%- set times = {
    'customers': 'registered_at',
    'attributes': 'observed_at',
    'consents': 'changed_at',
    'dependants': 'cast(null as timestamp)',
    'assignments': 'valid_from',
    'orders': 'ordered_at',
    'quotes': 'quoted_at',
    'events': 'occurred_at',
    'posts': 'posted_at',
    'presences': 'occurred_at',
    'tickets': 'opened_at',
    'survey_answers': 'answered_at',
    'contacts': 'sent_at',
    'leads': 'created_at',
    'promises': 'promised_at',
} -%}
{#- What does not make a customer: to be a chance, or to be written to. -#}
{%- set of_prospects = ['leads', 'contacts'] -%}
{#- What does not either, where nothing is known but a browser, say, or a nickname. -#}
{%- set of_visitors = ['events', 'presences', 'posts'] -%}
with

links as (
    select * from {{ ref('int_identifier_links') }}
),

records as (
    select
        identifier_type,
        identifier_value,
        case when min(birth_date) = max(birth_date) then min(birth_date) end
            as birth_date,
        count(*) as record_count,
        count(deleted_at) as deleted_count
    from {{ ref('feed_customers') }}
    where identifier_value is not null
    group by identifier_type, identifier_value
),

blocked as (
    select distinct
        identifier_type,
        identifier_value
    from {{ source('kith', 'blocked_identifiers') }}
),

seen as (
    {% for feed, time in times.items() %}
    select
        identifier_type,
        identifier_value,
        source,
        min({{ time }}) as first_seen_at,
        max({{ time }}) as last_seen_at,
        {{ "0" if feed in of_prospects + of_visitors else "1" }} as is_customers,
        {{ "1" if feed in of_visitors else "0" }} as is_visitors
    from {{ ref('feed_' ~ feed) }}
    where identifier_type is not null and identifier_value is not null
    group by identifier_type, identifier_value, source
    union all
    {% endfor %}
    {% for side in ['left', 'right'] %}
    select
        {{ side }}_type as identifier_type,
        {{ side }}_value as identifier_value,
        cast(null as string) as source,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at,
        0 as is_customers,
        0 as is_visitors
    from links
    group by {{ side }}_type, {{ side }}_value
    {{ "union all" if not loop.last }}
    {% endfor %}
),

summed as (
    select
        identifier_type,
        identifier_value,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at,
        {{ sorted_list('source') }} as sources,
        max(is_customers) = 1 as is_customers,
        max(is_visitors) = 1 as is_visitors
    from seen
    group by identifier_type, identifier_value
),

final as (
    select
        row_number() over (
            order by
                summed.first_seen_at nulls last,
                {{ strength_of('summed.identifier_type') }} nulls last,
                summed.identifier_type nulls last,
                summed.identifier_value nulls last
        ) - 1 as identifier_number,
        summed.identifier_type,
        summed.identifier_value,
        summed.first_seen_at,
        summed.last_seen_at,
        summed.sources,
        summed.is_customers,
        summed.is_visitors,
        coalesce(records.record_count, 0) as record_count,
        coalesce(records.deleted_count, 0) as deleted_count,
        records.birth_date,
        blocked.identifier_value is not null as is_blocked,
        dense_rank() over (
            order by
                {{ strength_of('summed.identifier_type') }} nulls last,
                summed.identifier_type nulls last
        ) - 1 as kind,
        {{ is_kind_of('summed.identifier_type', var('identity').shareable) }}
            as is_shareable,
        -- Anybody may have any number of browsers.
        not {{ is_kind_of('summed.identifier_type', var('identity').shareable) }}
        or not {{ is_kind_of('summed.identifier_type', var('identity').anonymous) }}
            as is_partner,
        cast({{ partner_limit("summed.identifier_type") }} as bigint) as partner_limit
    from summed
    left join records
        on
            summed.identifier_type = records.identifier_type
            and summed.identifier_value = records.identifier_value
    left join blocked
        on
            summed.identifier_type = blocked.identifier_type
            and summed.identifier_value = blocked.identifier_value
)

select * from final
