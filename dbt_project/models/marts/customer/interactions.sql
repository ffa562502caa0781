{#- What each feed's columns are called in the spine, which counts contacts: a stay, not
    the readings of its sensors, a questionnaire, not its answers. Orders come valued
    and identified already and are added below. -#}
{%- set trace_feeds = {
    'events': {
        'kind': 'event',
        'record_id': 'event_id',
        'occurred_at': 'occurred_at',
        'channel': 'touchpoint',
        'product_id': 'product_id',
        'campaign_id': 'campaign_id',
        'detail': 'event_name',
    },
    'posts': {
        'kind': 'post',
        'record_id': 'post_id',
        'occurred_at': 'posted_at',
        'channel': 'platform',
        'detail': 'topic',
    },
    'presences': {
        'model': 'int_stays',
        'kind': 'presence',
        'record_id': 'stay_id',
        'occurred_at': 'occurred_at',
        'place_id': 'place_id',
    },
    'tickets': {
        'kind': 'ticket',
        'record_id': 'ticket_id',
        'occurred_at': 'opened_at',
        'channel': 'channel',
        'product_id': 'product_id',
        'employee_id': 'employee_id',
        'detail': 'kind',
    },
    'survey_answers': {
        'model': 'int_responses',
        'kind': 'survey_response',
        'record_id': 'response_id',
        'occurred_at': 'answered_at',
        'channel': 'method',
        'detail': 'survey',
    },
    'contacts': {
        'kind': 'contact',
        'record_id': 'contact_id',
        'occurred_at': 'sent_at',
        'channel': 'channel',
        'campaign_id': 'campaign_id',
        'employee_id': 'employee_id',
        'detail': 'outcome',
    },
    'leads': {
        'kind': 'lead',
        'record_id': 'lead_id',
        'occurred_at': 'created_at',
        'channel': 'source_of_lead',
        'employee_id': 'employee_id',
        'detail': 'declined_reason',
    },
    'quotes': {
        'kind': 'quote',
        'record_id': 'quote_id',
        'occurred_at': 'quoted_at',
        'product_id': 'product_id',
        'detail': 'outcome',
    },
} -%}
{%- set unknown = 'cast(null as string)' -%}
{%- set kinds = ['product', 'place', 'campaign'] -%}
with

orders as (
    select
        'order' as interaction_kind,
        source,
        order_id as record_id,
        nullif(customer_id, 'unidentified') as customer_id,
        ordered_at as occurred_at,
        order_date as occurred_date,
        channel,
        cast(null as string) as product_key,
        cast(null as string) as product_id,
        place_key,
        store_id as place_id,
        cast(null as string) as campaign_key,
        cast(null as string) as campaign_id,
        cast(null as string) as employee_id,
        status as detail,
        revenue_amount as amount
    from {{ ref('orders') }}
),

identities as (
    select * from {{ ref('identities') }}
),

{% for kind in kinds %}
{{ kind }}s as (
    select * from {{ ref('int_references_resolved') }}
    where kind = '{{ kind }}'
),

{% endfor %}

traces as (
    {% for feed, columns in trace_feeds.items() %}
    select
        '{{ columns.kind }}' as interaction_kind,
        source,
        {{ columns.record_id }} as record_id,
        identifier_type,
        identifier_value,
        {{ columns.occurred_at }} as occurred_at,
        {{ columns.get('channel', unknown) }} as channel,
        {{ columns.get('product_id', unknown) }} as product_id,
        {{ columns.get('place_id', unknown) }} as place_id,
        {{ columns.get('campaign_id', unknown) }} as campaign_id,
        {{ columns.get('employee_id', unknown) }} as employee_id,
        {{ columns.get('detail', unknown) }} as detail
    from {{ ref(columns.get('model', 'feed_' ~ feed)) }}
    {{ "union all" if not loop.last }}
    {% endfor %}
),

traces_identified as (
    select
        traces.interaction_kind,
        traces.source,
        traces.record_id,
        identities.customer_id,
        traces.occurred_at,
        {{ business_date('traces.occurred_at') }} as occurred_date,
        traces.channel,
        {% for kind in kinds %}
        {{ kind }}s.reference_key as {{ kind }}_key,
        traces.{{ kind }}_id,
        {% endfor %}
        traces.employee_id,
        traces.detail,
        cast(null as decimal(18, 2)) as amount
    from traces
    left join identities
        on
            traces.identifier_type = identities.identifier_type
            and traces.identifier_value = identities.identifier_value
    {% for kind in kinds %}
    left join {{ kind }}s
        on
            traces.source = {{ kind }}s.source
            and traces.{{ kind }}_id = {{ kind }}s.reference_id
    {% endfor %}
),

all_traces as (
    select * from orders
    union all
    select * from traces_identified
),

final as (
    select
        interaction_kind
        || ':' || source
        || ':' || record_id as interaction_id,
        interaction_kind,
        source,
        record_id,
        customer_id,
        occurred_at,
        occurred_date,
        channel,
        {% for kind in kinds %}
        {{ kind }}_key,
        {{ kind }}_id,
        {% endfor %}
        employee_id,
        detail,
        amount,
        {{ as_of() }} as as_of_date
    from all_traces
)

select * from final
