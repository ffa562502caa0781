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

blocked as (
    select distinct
        identifier_type,
        identifier_value
    from {{ source('kith', 'blocked_identifiers') }}
),

seen as (
    {% for feed, time in times.items() %}
    {%- set is_record = feed == 'customers' %}
    select
        identifier_type,
        identifier_value,
        source,
        {{ time }} as first_seen_at,
        {{ time }} as last_seen_at,
        {{ "0" if feed in of_prospects + of_visitors else "1" }} as is_customers,
        {{ "1" if feed in of_visitors else "0" }} as is_visitors,
        {{ "1" if is_record else "0" }} as is_record,
        {{ "deleted_at" if is_record else "cast(null as timestamp)" }} as deleted_at,
        {{ "birth_date" if is_record else "cast(null as date)" }} as birth_date
    from {{ ref('feed_' ~ feed) }}
    where identifier_type is not null and identifier_value is not null
    union all
    {% endfor %}
    {% for side in ['left', 'right'] %}
    select
        {{ side }}_type as identifier_type,
        {{ side }}_value as identifier_value,
        source,
        first_seen_at,
        last_seen_at,
        0 as is_customers,
        0 as is_visitors,
        0 as is_record,
        cast(null as timestamp) as deleted_at,
        cast(null as date) as birth_date
    from {{ ref('int_links_shown') }}
    {{ "union all" if not loop.last }}
    {% endfor %}
),

-- The sources apart first: few are left to be listed.
by_source as (
    select
        identifier_type,
        identifier_value,
        source,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at,
        max(is_customers) as is_customers,
        max(is_visitors) as is_visitors,
        sum(is_record) as record_count,
        count(deleted_at) as deleted_count,
        min(birth_date) as first_birth_date,
        max(birth_date) as last_birth_date
    from seen
    group by identifier_type, identifier_value, source
),

summed as (
    select
        identifier_type,
        identifier_value,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at,
        {{ sorted_list('source') }} as sources,
        max(is_customers) = 1 as is_customers,
        max(is_visitors) = 1 as is_visitors,
        sum(record_count) as record_count,
        sum(deleted_count) as deleted_count,
        case
            when min(first_birth_date) = max(last_birth_date)
                then min(first_birth_date)
        end as birth_date
    from by_source
    group by identifier_type, identifier_value
),

kinds as (
    select
        identifier_type,
        row_number() over (
            order by
                {{ strength_of('identifier_type') }} nulls last,
                identifier_type nulls last
        ) - 1 as kind
    from (select distinct identifier_type from summed) as named
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
        cast(summed.record_count as bigint) as record_count,
        cast(summed.deleted_count as bigint) as deleted_count,
        summed.birth_date,
        blocked.identifier_value is not null as is_blocked,
        kinds.kind,
        {{ is_kind_of('summed.identifier_type', var('identity').shareable) }}
            as is_shareable,
        -- Anybody may have any number of browsers.
        not {{ is_kind_of('summed.identifier_type', var('identity').shareable) }}
        or not {{ is_kind_of('summed.identifier_type', var('identity').anonymous) }}
            as is_partner,
        cast({{ partner_limit("summed.identifier_type") }} as bigint) as partner_limit
    from summed
    inner join kinds on summed.identifier_type = kinds.identifier_type
    left join blocked
        on
            summed.identifier_type = blocked.identifier_type
            and summed.identifier_value = blocked.identifier_value
)

select * from final
