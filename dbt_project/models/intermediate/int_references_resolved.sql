{#- Of each kind the feed that lists its things, their id there, and the columns of
    other feeds that name them. -#}
{%- set kinds = {
    'product': {
        'feed': 'products',
        'id': 'product_id',
        'named': {
            'order_lines': 'product_id',
            'events': 'product_id',
            'tickets': 'product_id',
            'quotes': 'product_id',
        },
    },
    'place': {
        'feed': 'places',
        'id': 'place_id',
        'named': {'orders': 'store_id', 'presences': 'place_id'},
    },
    'campaign': {
        'feed': 'campaigns',
        'id': 'campaign_id',
        'named': {'events': 'campaign_id', 'contacts': 'campaign_id'},
    },
} -%}
with

listed as (
    {% for kind, listing in kinds.items() %}
    select
        '{{ kind }}' as kind,
        source,
        {{ listing.id }} as reference_id
    from {{ ref('feed_' ~ listing.feed) }}
    {{ "union all" if not loop.last }}
    {% endfor %}
),

named as (
    {% for kind, listing in kinds.items() %}
    {% for feed, column in listing.named.items() %}
    select distinct
        '{{ kind }}' as kind,
        source,
        {{ column }} as reference_id
    from {{ ref('feed_' ~ feed) }}
    where {{ column }} is not null
    union all
    {% endfor %}
    {% endfor %}
    select
        kind,
        source,
        reference_id
    from listed
),

references_known as (
    select distinct
        kind,
        source,
        reference_id
    from named
),

namings_counted as (
    select
        kind,
        reference_id,
        min(source) as source
    from references_known
    group by kind, reference_id
),

listings_counted as (
    select
        kind,
        reference_id,
        min(source) as source,
        count(*) as source_count
    from listed
    group by kind, reference_id
),

found as (
    select
        references_known.kind,
        references_known.source,
        references_known.reference_id,
        namings_counted.source as naming_source,
        case
            when own.source is not null then own.source
            when listings_counted.source_count = 1 then listings_counted.source
        end as listed_source,
        case
            when own.source is not null then 'own source'
            when listings_counted.source_count = 1 then 'other source'
            when listings_counted.source_count > 1 then 'ambiguous'
            else 'missing'
        end as finding
    from references_known
    inner join namings_counted
        on
            references_known.kind = namings_counted.kind
            and references_known.reference_id = namings_counted.reference_id
    left join listed as own
        on
            references_known.kind = own.kind
            and references_known.source = own.source
            and references_known.reference_id = own.reference_id
    left join listings_counted
        on
            references_known.kind = listings_counted.kind
            and references_known.reference_id = listings_counted.reference_id
),

final as (
    select
        kind,
        source,
        reference_id,
        listed_source,
        finding,
        case finding
            when 'missing' then naming_source
            else coalesce(listed_source, source)
        end || ':' || reference_id as reference_key
    from found
)

select * from final
