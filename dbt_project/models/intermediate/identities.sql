{#- Feeds whose rows are about a person. -#}
{%- set person_feeds = [
    'customers', 'attributes', 'consents', 'dependants', 'assignments', 'orders',
    'quotes', 'events', 'posts', 'presences', 'tickets', 'survey_answers', 'contacts',
    'leads', 'promises'
] -%}
with

identifier_links as (
    select * from {{ ref('feed_identifier_links') }}
),

seen as (
    {% for feed in person_feeds %}
    select distinct
        feed.identifier_type,
        feed.identifier_value
    from {{ ref('feed_' ~ feed) }} as feed
    union all
    {% endfor %}
    {% for side in ['left', 'right'] %}
    select distinct
        {{ side }}_type as identifier_type,
        {{ side }}_value as identifier_value
    from identifier_links
    {{ "union all" if not loop.last }}
    {% endfor %}
),

identified as (
    select distinct
        identifier_type,
        identifier_value
    from seen
    where identifier_type is not null and identifier_value is not null
),

final as (
    select
        identifier_type,
        identifier_value,
        {{ customer_id('identifier_type', 'identifier_value') }} as customer_id,
        'single_identifier' as method
    from identified
)

select * from final
