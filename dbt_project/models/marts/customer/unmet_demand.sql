{#- People who must have searched for a thing before its words are shown. -#}
{%- set least = 5 -%}
{%- set minimum = var('minimum_answers') -%}
with

identities as (
    select * from {{ ref('identities') }}
    where customer_id is not null
),

matches as (
    select * from {{ ref('int_searches_matched') }}
),

products as (
    select
        product_key,
        is_listed,
        coalesce({{ business_date('launched_at') }}, {{ first_day() }})
            as launched_date
    from {{ ref('products') }}
),

range_known as (
    select {{ is_range_known() }} as is_known
    from products
),

-- From which day on the range holds what a search asks for.
launches as (
    select
        matches.need,
        min(products.launched_date) as launched_date
    from matches
    inner join products on matches.product_key = products.product_key
    group by matches.need
),

-- Whoever is unknown counts by device, else by session.
searches as (
    select
        {{ month_of(business_date('events.occurred_at')) }} as month,
        coalesce(customers.region, 'unknown') as region,
        matches.need,
        identities.customer_id,
        coalesce(
            'customer:' || identities.customer_id,
            'device:' || events.device_id,
            'session:' || events.source || ':' || events.session_id,
            'event:' || events.source || ':' || events.event_id
        ) as seeker,
        matches.need is not null
        and coalesce(
            launches.launched_date > {{ business_date('events.occurred_at') }}, true
        ) as is_in_vain
    from {{ ref('feed_events') }} as events
    inner join matches on events.query = matches.query
    cross join range_known
    left join identities
        on
            events.identifier_type = identities.identifier_type
            and events.identifier_value = identities.identifier_value
    left join {{ ref('customers') }} as customers
        on identities.customer_id = customers.customer_id
    left join launches on matches.need = launches.need
    where range_known.is_known
),

searches_counted as (
    select
        month,
        region,
        count(*) as all_search_count,
        count(distinct seeker) as all_seeker_count
    from searches
    group by month, region
),

first_seekers as (
    select
        need,
        seeker,
        min(month) as month
    from searches
    where is_in_vain
    group by need, seeker
),

newcomers as (
    select
        need,
        month,
        count(*) as seeker_count
    from first_seekers
    group by need, month
),

seekers_so_far as (
    select
        need,
        month,
        sum(seeker_count) over (
            partition by need
            order by month nulls last
            rows between unbounded preceding and current row
        ) as seeker_count
    from newcomers
),

-- Month from which enough people have searched for it to show its words.
needs_shown as (
    select
        need,
        min(month) as month
    from seekers_so_far
    where seeker_count >= {{ least }}
    group by need
),

in_vain as (
    select
        searches.month,
        searches.region,
        case when needs_shown.month <= searches.month then searches.need end as need,
        searches.need as term,
        searches.customer_id,
        searches.seeker
    from searches
    left join needs_shown on searches.need = needs_shown.need
    where searches.is_in_vain
),

demanded as (
    select
        month,
        region,
        need,
        count(distinct term) as term_count,
        count(*) as search_count,
        count(distinct customer_id) as customer_count,
        count(distinct seeker) as seeker_count
    from in_vain
    group by month, region, need
),

shares as (
    select
        demanded.month,
        demanded.region,
        demanded.need,
        demanded.term_count,
        demanded.search_count,
        demanded.customer_count,
        demanded.seeker_count,
        searches_counted.all_search_count,
        searches_counted.all_seeker_count as n,
        case
            when searches_counted.all_seeker_count >= {{ minimum }}
                then
                    cast(demanded.seeker_count as double)
                    / searches_counted.all_seeker_count
        end as share
    from demanded
    inner join searches_counted
        on
            demanded.month = searches_counted.month
            and demanded.region = searches_counted.region
),

final as (
    select
        month,
        region,
        need,
        term_count,
        search_count,
        customer_count,
        seeker_count,
        all_search_count,
        100 * share as seeker_share_pct,
        100 * {{ wilson_bound('share', 'cast(n as double)', '-') }}
            as seeker_share_low_pct,
        100 * {{ wilson_bound('share', 'cast(n as double)', '+') }}
            as seeker_share_high_pct,
        case when share is null then 'fewer than {{ minimum }} people searched' end
            as missing_reason,
        n,
        'people who searched for it / people who searched, Wilson 95 %' as method,
        {{ as_of() }} as as_of_date
    from shares
)

select * from final
