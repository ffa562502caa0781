{#- Feeds whose rows are about a person, each with the column that says when the trace
    was left; none where the row tells a state without a time. -#}
{%- set person_feeds = {
    'customers': none,
    'attributes': 'observed_at',
    'consents': 'changed_at',
    'dependants': none,
    'assignments': none,
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
with

run as (
    select as_of_at from {{ source('kith', 'run') }}
),

seen as (
    {% for feed, seen_at in person_feeds.items() %}
    select distinct
        feed.identifier_type,
        feed.identifier_value
    from {{ ref('feed_' ~ feed) }} as feed
    {% if seen_at %}
    cross join run
    where feed.{{ seen_at }} is null or feed.{{ seen_at }} < run.as_of_at
    {% endif %}
    union all
    {% endfor %}
    {% for side in ['left', 'right'] %}
    select distinct
        feed.{{ side }}_type as identifier_type,
        feed.{{ side }}_value as identifier_value
    from {{ ref('feed_identifier_links') }} as feed
    cross join run
    where feed.seen_at is null or feed.seen_at < run.as_of_at
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
