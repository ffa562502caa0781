{#- The watch for crises (kith.watch) builds this model too, every hour, on the newest
    rows of these feeds and on the marts of the current release: it reads nothing else. -#}
{%- set minimum = var('spike_minimum_count')
    ~ " * case when grain = 'day' then 3 else 1 end" -%}
{#- At 3, one quiet hour in some hundred would be a spike. -#}
{%- set least_z = 5 -%}
{%- set least_ratio = 1.5 -%}
{%- set weeks_compared = 8 -%}
{%- set least_weeks = 4 -%}
{%- set dimensions = {
    'all': "'all'",
    'source': 'source',
    'channel': 'channel',
    'product': 'product_id',
    'category': 'category',
    'region': 'region',
    'reason': 'reason',
} -%}
{%- set series = 'signal, dimension, value, grain, period_start_at' -%}
with

tickets as (
    select * from {{ ref('feed_tickets') }}
),

posts as (
    select * from {{ ref('feed_posts') }}
),

customers as (
    select * from {{ ref('customers') }}
),

identifiers as (
    select * from {{ ref('customer_identifiers') }}
),

products as (
    select * from {{ ref('products') }}
    where is_listed
),

-- Who lists a product knows it; of another source a number that only one lists.
categories as (
    select
        product_id,
        max(category) as category
    from products
    group by product_id
    having count(*) = 1
),

tickets_counted as (
    select
        *,
        coalesce(kind in ('complaint', 'claim'), false) as is_complaint,
        count(case when kind in ('complaint', 'claim') then 1 end) over ()
            as complaint_count
    from tickets
),

-- Of a company whose cases are no complaints, all cases.
signals as (
    select
        'complaints' as signal,
        source,
        ticket_id as record_id,
        opened_at as occurred_at,
        channel,
        product_id,
        reason,
        cast(null as double) as sentiment,
        identifier_type,
        identifier_value
    from tickets_counted
    where is_complaint or complaint_count = 0
    union all
    select
        'mentions' as signal,
        source,
        post_id as record_id,
        posted_at as occurred_at,
        platform as channel,
        cast(null as string) as product_id,
        topic as reason,
        sentiment,
        identifier_type,
        identifier_value
    from posts
    where coalesce(is_about_us, true)
),

events as (
    select
        signals.signal,
        signals.source,
        signals.record_id,
        signals.occurred_at,
        {{ business_date('signals.occurred_at') }} as day,
        {{ business_hour('signals.occurred_at') }} as hour,
        {{ business_hour_start('signals.occurred_at') }} as hour_start_at,
        signals.channel,
        signals.product_id,
        coalesce(products.category, categories.category) as category,
        customers.region,
        signals.reason,
        signals.sentiment
    from signals
    left join products
        on
            signals.source = products.source
            and signals.product_id = products.product_id
    left join categories on signals.product_id = categories.product_id
    left join identifiers
        on
            signals.identifier_type = identifiers.identifier_type
            and signals.identifier_value = identifiers.identifier_value
    left join customers on identifiers.customer_id = customers.customer_id
),

labelled as (
    {% for grain in ['hour', 'day'] %}
    {% set grain_loop = loop %}
    {% for dimension, value in dimensions.items() %}
    select
        signal,
        '{{ dimension }}' as dimension,
        {{ value }} as value,
        '{{ grain }}' as grain,
        day,
        {{ 'hour' if grain == 'hour' else '0' }} as hour,
        {{ 'hour_start_at' if grain == 'hour' else business_midnight('day') }}
            as period_start_at,
        source,
        record_id,
        occurred_at,
        sentiment
    from events
    where {{ value }} is not null
    {{ "union all" if not (loop.last and grain_loop.last) }}
    {% endfor %}
    {% endfor %}
),

counted as (
    select
        {{ series }},
        day,
        hour,
        count(*) as n,
        count(sentiment) as sentiment_count,
        count(case when sentiment < 0 then 1 end) as negative_count,
        min(occurred_at) as first_event_at
    from labelled
    group by {{ series }}, day, hour
),

begun as (
    select
        signal,
        min(day) as first_day
    from events
    group by signal
),

-- Periods that are over and in which enough happened.
busy as (
    select
        signal,
        grain,
        period_start_at
    from counted
    where
        dimension = 'all'
        and n >= {{ minimum }}
        and case
            when grain = 'day' then {{ business_midnight(add_days('day', 1)) }}
            else period_start_at + interval '1' hour
        end <= {{ as_of_at() }}
),

weeks as (
    {{ numbers(weeks_compared) }}
),

candidates as (
    select
        counted.signal,
        counted.dimension,
        counted.value,
        counted.grain,
        counted.period_start_at,
        counted.day,
        counted.hour,
        counted.n,
        counted.sentiment_count,
        counted.negative_count,
        counted.first_event_at,
        begun.first_day
    from counted
    inner join busy
        on
            counted.signal = busy.signal
            and counted.grain = busy.grain
            and counted.period_start_at = busy.period_start_at
    inner join begun on counted.signal = begun.signal
),

compared as (
    select
        candidates.signal,
        candidates.dimension,
        candidates.value,
        candidates.grain,
        candidates.period_start_at,
        candidates.hour,
        {{ add_days('candidates.day', '(-7 * weeks.number)') }} as compared_day
    from candidates
    cross join weeks
    where
        {{ add_days('candidates.day', '(-7 * weeks.number)') }}
        >= candidates.first_day
),

-- Of an hour that a week before had twice, when the clocks went back, the busier one.
usual as (
    select
        compared.signal,
        compared.dimension,
        compared.value,
        compared.grain,
        compared.period_start_at,
        cast(coalesce(max(counted.n), 0) as double) as n
    from compared
    left join counted
        on
            compared.signal = counted.signal
            and compared.dimension = counted.dimension
            and compared.value = counted.value
            and compared.grain = counted.grain
            and compared.compared_day = counted.day
            and compared.hour = counted.hour
    group by
        compared.signal,
        compared.dimension,
        compared.value,
        compared.grain,
        compared.period_start_at,
        compared.compared_day
),

medians as (
    select
        {{ series }},
        {{ median('n') }} as usual_count,
        count(*) as week_count
    from usual
    group by {{ series }}
),

deviations as (
    select
        usual.signal,
        usual.dimension,
        usual.value,
        usual.grain,
        usual.period_start_at,
        max(medians.usual_count) as usual_count,
        max(medians.week_count) as week_count,
        {{ median('abs(usual.n - medians.usual_count)') }} as deviation
    from usual
    inner join medians
        on
            usual.signal = medians.signal
            and usual.dimension = medians.dimension
            and usual.value = medians.value
            and usual.grain = medians.grain
            and usual.period_start_at = medians.period_start_at
    group by
        usual.signal,
        usual.dimension,
        usual.value,
        usual.grain,
        usual.period_start_at
),

-- Rare events scatter by the root of their number even where the weeks compared were
-- all alike.
measured as (
    select
        candidates.signal,
        candidates.dimension,
        candidates.value,
        candidates.grain,
        candidates.period_start_at,
        candidates.day,
        candidates.n,
        candidates.sentiment_count,
        candidates.negative_count,
        candidates.first_event_at,
        deviations.usual_count,
        deviations.week_count,
        candidates.n - deviations.usual_count as rise,
        greatest(1.4826e0 * deviations.deviation, sqrt(deviations.usual_count), 1)
            as spread
    from candidates
    inner join deviations
        on
            candidates.signal = deviations.signal
            and candidates.dimension = deviations.dimension
            and candidates.value = deviations.value
            and candidates.grain = deviations.grain
            and candidates.period_start_at = deviations.period_start_at
    where deviations.week_count >= {{ least_weeks }}
),

judged as (
    select
        *,
        n >= {{ minimum }}
        and n >= {{ least_ratio }} * usual_count
        and rise / spread >= {{ least_z }} as is_spike,
        max(case when dimension = 'all' then rise end) over (
            partition by signal, grain, period_start_at
        ) as all_rise,
        row_number() over (
            partition by signal, grain, period_start_at, dimension
            order by rise desc nulls last, n desc nulls last, value asc nulls last
        ) as position
    from measured
),

spikes as (
    select
        *,
        max(case when dimension = 'all' and is_spike then 1 else 0 end) over (
            partition by signal, grain, period_start_at
        ) = 1 as is_in_spike
    from judged
),

-- One that follows another within a day goes on with it.
told as (
    select
        *,
        is_spike and coalesce(
            {{ epoch_seconds('period_start_at') }} - lag(
                {{ epoch_seconds('period_start_at') }}
            ) over (
                partition by signal, dimension, value, grain, is_spike
                order by period_start_at nulls last
            ) > 90000,
            true
        ) as is_new
    from spikes
    where is_spike or is_in_spike and position <= 3
),

examples as (
    select
        labelled.signal,
        labelled.dimension,
        labelled.value,
        labelled.grain,
        labelled.period_start_at,
        labelled.source || ':' || labelled.record_id as example,
        row_number() over (
            partition by
                labelled.signal,
                labelled.dimension,
                labelled.value,
                labelled.grain,
                labelled.period_start_at
            order by
                labelled.occurred_at asc nulls last,
                labelled.source asc nulls last,
                labelled.record_id asc nulls last
        ) as position
    from labelled
    inner join told
        on
            labelled.signal = told.signal
            and labelled.dimension = told.dimension
            and labelled.value = told.value
            and labelled.grain = told.grain
            and labelled.period_start_at = told.period_start_at
),

examples_listed as (
    select
        {{ series }},
        {{ sorted_list('example') }} as examples
    from examples
    where position <= 3
    group by {{ series }}
),

final as (
    select
        told.signal,
        told.grain,
        told.period_start_at,
        told.day as period_date,
        told.dimension,
        told.value,
        told.is_spike,
        told.is_new,
        told.n,
        told.usual_count,
        told.spread,
        told.rise / told.spread as robust_z,
        told.week_count,
        told.rise as rise_count,
        case when told.all_rise > 0 then least(100 * told.rise / told.all_rise, 100) end
            as share_of_rise_pct,
        cast(told.position as bigint) as position,
        case
            when told.sentiment_count > 0
                then
                    100 * cast(told.negative_count as double)
                    / cast(told.sentiment_count as double)
        end as negative_share_pct,
        told.first_event_at,
        examples_listed.examples,
        'robust z of the same hours and weekdays' as method,
        {{ as_of() }} as as_of_date
    from told
    inner join examples_listed
        on
            told.signal = examples_listed.signal
            and told.dimension = examples_listed.dimension
            and told.value = examples_listed.value
            and told.grain = examples_listed.grain
            and told.period_start_at = examples_listed.period_start_at
)

select * from final
