{%- set flags = ['near_count', 'inside_count', 'dwell_count', 'left_count'] -%}
{%- set sums = ['inside_seconds', 'dwell_seconds', 'reading_count'] -%}
with

readings as (
    select
        *,
        {{ is_inside('state_position') }} as is_inside,
        {{ business_date('occurred_at') }} as flow_date,
        cast({{ business_hour('occurred_at') }} as bigint) as flow_hour
    from {{ ref('int_readings') }}
),

-- Visits and visitors by number, which takes less than a text to compare and to keep. A
-- visit has the key of its first reading.
visits as (
    select
        visits.source,
        visits.visit_id,
        visits.place_key,
        visits.place_id,
        visits.entered_at,
        visits.outcome,
        row_number() over (
            order by visits.source nulls last, visits.visit_id nulls last
        ) as visit_number,
        dense_rank() over (
            order by
                coalesce(
                    'customer ' || visits.customer_id,
                    readings.identifier_type || ' ' || readings.identifier_value,
                    'visit ' || visits.visit_id
                ) nulls last
        ) as visitor_number
    from {{ ref('store_visits') }} as visits
    inner join readings
        on
            visits.source = readings.source
            and visits.visit_id = readings.presence_id
),

-- What each visit did in an hour and zone: few rows are left of which visitors must be
-- told apart.
zone_slices as (
    select
        visits.visit_number,
        readings.flow_date,
        readings.flow_hour,
        readings.floor,
        readings.zone,
        max(case when readings.state = 'near' then 1 else 0 end) as near_count,
        max(case when readings.is_inside then 1 else 0 end) as inside_count,
        max(case when readings.state = 'dwell' then 1 else 0 end) as dwell_count,
        max(case when readings.state = 'leave' then 1 else 0 end) as left_count,
        min(case when readings.is_inside then readings.occurred_at end)
            as inside_since,
        cast(
            sum(case when readings.is_inside then readings.seconds else 0 end) as bigint
        ) as inside_seconds,
        cast(
            sum(case when readings.state = 'dwell' then readings.seconds else 0 end)
            as bigint
        ) as dwell_seconds,
        count(*) as reading_count
    from readings
    inner join visits
        on
            readings.source = visits.source
            and readings.stay_id = visits.visit_id
    group by
        visits.visit_number,
        readings.flow_date,
        readings.flow_hour,
        readings.floor,
        readings.zone
),

place_slices as (
    select
        visit_number,
        flow_date,
        flow_hour,
        {% for flag in flags %}
        max({{ flag }}) as {{ flag }},
        {% endfor %}
        min(inside_since) as inside_since,
        {% for sum in sums %}
        cast(sum({{ sum }}) as bigint) as {{ sum }},
        {% endfor %}
        cast(null as string) as floor,
        cast(null as string) as zone
    from zone_slices
    group by visit_number, flow_date, flow_hour
),

flows as (
    {% for breakdown in ['zone', 'place'] %}
    select
        '{{ breakdown }}' as breakdown,
        visits.place_key,
        visits.source,
        visits.place_id,
        slices.flow_date,
        slices.flow_hour,
        slices.floor,
        slices.zone,
        {% for count in flags + sums %}
        cast(sum(slices.{{ count }}) as bigint) as {{ count }},
        {% endfor %}
        count(case when slices.inside_since = visits.entered_at then 1 end)
            as entered_count,
        count(
            case
                when
                    slices.inside_since = visits.entered_at
                    and visits.outcome = 'bought'
                    then 1
            end
        ) as bought_count,
        count(
            distinct case when slices.inside_count = 1 then visits.visitor_number end
        ) as visitor_count
    from {{ breakdown }}_slices as slices
    inner join visits on slices.visit_number = visits.visit_number
    group by
        visits.place_key,
        visits.source,
        visits.place_id,
        slices.flow_date,
        slices.flow_hour,
        slices.floor,
        slices.zone
    {{ "union all" if not loop.last }}
    {% endfor %}
),

final as (
    select
        *,
        {{ as_of() }} as as_of_date
    from flows
)

select * from final
