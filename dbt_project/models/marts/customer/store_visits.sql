{%- set pause_minutes = var('stay_pause_minutes') -%}
with

readings as (
    select
        *,
        {{ is_inside('state_position') }} as is_inside
    from {{ ref('int_readings') }}
),

identities as (
    select * from {{ ref('identities') }}
    where customer_id is not null
),

places as (
    select * from {{ ref('int_references_resolved') }}
    where kind = 'place'
),

purchases as (
    select * from {{ ref('orders') }}
    where is_purchase and customer_id != 'unidentified' and place_key is not null
),

stays as (
    select
        source,
        stay_id,
        min(identifier_type) as identifier_type,
        min(identifier_value) as identifier_value,
        min(place_id) as place_id,
        min(occurred_at) as started_at,
        max(occurred_at) as ended_at,
        min(case when is_inside then occurred_at end) as entered_at,
        max(case when state = 'leave' then occurred_at end) as left_at,
        max(case when state = 'leave' or is_inside then 1 else 0 end) as has_entered,
        max(case when state = 'leave' then 2 else state_position end) as progress,
        sum(case when is_inside then seconds else 0 end) as inside_seconds,
        sum(case when state = 'dwell' then seconds else 0 end) as dwell_seconds,
        count(*) as reading_count,
        count(*) - count(state_position) as unknown_state_count,
        sum(
            case
                when earlier_position <= 1 and state_position >= 3 then 1
                when
                    (earlier_position between 2 and 5 and state_position = 1)
                    or (earlier_position between 3 and 5 and state_position = 2)
                    then 1
                else 0
            end
        ) as impossible_count
    from readings
    group by source, stay_id
),

parts as (
    select
        source,
        stay_id,
        floor,
        zone,
        sum(seconds) as seconds
    from readings
    where is_inside
    group by source, stay_id, floor, zone
),

parts_ranked as (
    select
        source,
        stay_id,
        floor,
        zone,
        seconds,
        row_number() over (
            partition by source, stay_id
            order by seconds desc nulls last, floor asc nulls last, zone asc nulls last
        ) as position,
        row_number() over (
            partition by source, stay_id, floor
            order by seconds desc nulls last, zone asc nulls last
        ) as position_on_floor
    from parts
),

parts_summed as (
    select
        source,
        stay_id,
        max(case when position = 1 then floor end) as main_floor,
        max(case when position = 1 then zone end) as main_zone,
        max(case when position = 1 then seconds end) as main_zone_seconds,
        count(case when position_on_floor = 1 then floor end) as floor_count,
        count(zone) as zone_count
    from parts_ranked
    group by source, stay_id
),

stays_identified as (
    select
        stays.source,
        stays.stay_id,
        identities.customer_id,
        places.reference_key as place_key,
        stays.started_at,
        stays.ended_at
    from stays
    left join identities
        on
            stays.identifier_type = identities.identifier_type
            and stays.identifier_value = identities.identifier_value
    left join places
        on
            stays.source = places.source
            and stays.place_id = places.reference_id
),

-- One after another what is known of a customer in a place: no purchase has to be
-- compared with more visits than the one before it and the one after.
timeline as (
    select
        customer_id,
        place_key,
        started_at as occurred_at,
        0 as is_purchase,
        source,
        stay_id as record_id
    from stays_identified
    where customer_id is not null and place_key is not null
    union all
    select
        customer_id,
        place_key,
        ordered_at as occurred_at,
        1 as is_purchase,
        source,
        order_id as record_id
    from purchases
),

numbered as (
    select
        customer_id,
        place_key,
        is_purchase,
        source,
        record_id,
        sum(1 - is_purchase) over (
            partition by customer_id, place_key
            order by
                occurred_at nulls last,
                is_purchase nulls last,
                source nulls last,
                record_id nulls last
            rows between unbounded preceding and current row
        ) as stay_number
    from timeline
),

stays_numbered as (
    select
        numbered.customer_id,
        numbered.place_key,
        numbered.stay_number,
        numbered.source,
        numbered.record_id as stay_id,
        stays.started_at,
        stays.ended_at
    from numbered
    inner join stays
        on
            numbered.source = stays.source
            and numbered.record_id = stays.stay_id
    where numbered.is_purchase = 0
),

candidates as (
    {% for which in [0, 1] %}
    select
        customer_id,
        place_key,
        source,
        record_id as order_id,
        stay_number + {{ which }} as stay_number
    from numbered
    where is_purchase = 1
    {{ "union all" if not loop.last }}
    {% endfor %}
),

-- How far off: 0 within the visit.
candidates_judged as (
    select
        stays_numbered.source as stay_source,
        stays_numbered.stay_id,
        purchases.source,
        purchases.order_id,
        purchases.ordered_at,
        purchases.gross_amount,
        purchases.revenue_amount,
        purchases.payment_method,
        purchases.identified_by,
        row_number() over (
            partition by purchases.source, purchases.order_id
            order by
                greatest(
                    {{ epoch_seconds('stays_numbered.started_at') }}
                    - {{ epoch_seconds('purchases.ordered_at') }},
                    {{ epoch_seconds('purchases.ordered_at') }}
                    - {{ epoch_seconds('stays_numbered.ended_at') }},
                    0
                ) asc nulls last,
                stays_numbered.stay_number asc nulls last
        ) as position
    from candidates
    inner join stays_numbered
        on
            candidates.customer_id = stays_numbered.customer_id
            and candidates.place_key = stays_numbered.place_key
            and candidates.stay_number = stays_numbered.stay_number
    inner join purchases
        on
            candidates.source = purchases.source
            and candidates.order_id = purchases.order_id
    where
        purchases.ordered_at
        >= stays_numbered.started_at - interval '{{ pause_minutes }}' minute
        and purchases.ordered_at
        <= stays_numbered.ended_at + interval '{{ pause_minutes }}' minute
),

-- A till and an uploaded receipt tell one sale: equal amounts in one visit, each told
-- by another source.
copies as (
    select
        *,
        row_number() over (
            partition by stay_source, stay_id, gross_amount, source
            order by ordered_at nulls last, order_id nulls last
        ) as copy_number
    from candidates_judged
    where position = 1
),

sales as (
    select
        stay_source,
        stay_id,
        gross_amount,
        copy_number,
        min(revenue_amount) as revenue_amount,
        count(*) as order_count
    from copies
    group by stay_source, stay_id, gross_amount, copy_number
),

sales_summed as (
    select
        stay_source,
        stay_id,
        count(*) as purchase_count,
        cast(sum(order_count) as bigint) as order_count,
        cast(sum(revenue_amount) as decimal(18, 2)) as revenue_amount
    from sales
    group by stay_source, stay_id
),

loops as (
    select
        stay_source,
        stay_id,
        {{ sorted_list('identified_by') }} as recognised_by,
        {{ sorted_list('payment_method') }} as payment_methods
    from copies
    group by stay_source, stay_id
),

final as (
    select
        stays.source,
        stays.stay_id as visit_id,
        stays_identified.customer_id,
        stays_identified.place_key,
        stays.place_id,
        {{ business_date('stays.started_at') }} as visit_date,
        stays.started_at,
        stays.ended_at,
        stays.entered_at,
        stays.left_at,
        stays.has_entered = 1 as has_entered,
        stays.left_at is not null as has_left,
        case stays.progress
            when 1 then 'near'
            when 2 then 'enter'
            when 3 then 'floor'
            when 4 then 'dwell'
            when 5 then 'bag'
        end as furthest_state,
        case
            when coalesce(sales_summed.purchase_count, 0) > 0 then 'bought'
            when stays.progress = 5 then 'bag_without_purchase'
            when stays.has_entered = 1 then 'looked'
            when stays.progress = 1 then 'passed_by'
        end as outcome,
        cast(stays.inside_seconds as bigint) as inside_seconds,
        cast(stays.dwell_seconds as bigint) as dwell_seconds,
        coalesce(parts_summed.floor_count, 0) as floor_count,
        coalesce(parts_summed.zone_count, 0) as zone_count,
        parts_summed.main_floor,
        parts_summed.main_zone,
        cast(parts_summed.main_zone_seconds as bigint) as main_zone_seconds,
        stays.reading_count,
        stays.unknown_state_count,
        cast(stays.impossible_count as bigint) as impossible_count,
        coalesce(sales_summed.purchase_count, 0) as purchase_count,
        coalesce(sales_summed.order_count, 0) as order_count,
        coalesce(sales_summed.revenue_amount, 0) as revenue_amount,
        loops.recognised_by,
        loops.payment_methods,
        {{ as_of() }} as as_of_date
    from stays
    inner join stays_identified
        on
            stays.source = stays_identified.source
            and stays.stay_id = stays_identified.stay_id
    left join parts_summed
        on
            stays.source = parts_summed.source
            and stays.stay_id = parts_summed.stay_id
    left join sales_summed
        on
            stays.source = sales_summed.stay_source
            and stays.stay_id = sales_summed.stay_id
    left join loops
        on
            stays.source = loops.stay_source
            and stays.stay_id = loops.stay_id
)

select * from final
