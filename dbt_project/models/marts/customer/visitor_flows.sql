{#- By what the readings of an hour are divided, the finest first. -#}
{%- set breakdowns = {'zone': 'floor, zone', 'place': ''} -%}
{%- set hour = ['place_key', 'source', 'place_id', 'flow_date', 'flow_hour'] -%}
{%- set flags = ['near_count', 'inside_count', 'dwell_count', 'left_count'] -%}
{%- set sums = ['inside_seconds', 'dwell_seconds', 'reading_count'] -%}
{%- set counts = flags + ['entered_count', 'bought_count'] + sums -%}
with

readings as (
    select
        *,
        {{ is_inside('state_position') }} as is_inside,
        row_number() over (
            partition by source, stay_id
            order by
                case when {{ is_inside('state_position') }} then 0 else 1 end asc
                nulls last,
                occurred_at asc nulls last,
                state_position asc nulls last,
                presence_id asc nulls last
        ) as position,
        {{ business_date('occurred_at') }} as flow_date,
        cast({{ business_hour('occurred_at') }} as bigint) as flow_hour
    from {{ ref('int_readings') }}
),

-- What each visit did in an hour and zone: few rows are left of which visitors must be
-- told apart.
slices as (
    select
        source,
        stay_id,
        flow_date,
        flow_hour,
        floor,
        zone,
        max(identifier_type) as identifier_type,
        max(identifier_value) as identifier_value,
        max(case when state = 'near' then 1 else 0 end) as near_count,
        max(case when is_inside then 1 else 0 end) as inside_count,
        max(case when state = 'dwell' then 1 else 0 end) as dwell_count,
        max(case when state = 'leave' then 1 else 0 end) as left_count,
        -- Of readings at one instant one alone is that of who comes in.
        max(case when is_inside and position = 1 then 1 else 0 end) as entered_count,
        sum(case when is_inside then seconds else 0 end) as inside_seconds,
        sum(case when state = 'dwell' then seconds else 0 end) as dwell_seconds,
        count(*) as reading_count
    from readings
    group by source, stay_id, flow_date, flow_hour, floor, zone
),

zone_slices as (
    select
        visits.place_key,
        slices.source,
        visits.place_id,
        slices.flow_date,
        slices.flow_hour,
        slices.floor,
        slices.zone,
        slices.stay_id,
        coalesce(
            'customer ' || visits.customer_id,
            slices.identifier_type || ' ' || slices.identifier_value,
            'visit ' || slices.stay_id
        ) as visitor,
        {% for count in flags + sums %}
        slices.{{ count }},
        {% endfor %}
        slices.entered_count,
        case when visits.outcome = 'bought' then slices.entered_count else 0 end
            as bought_count
    from slices
    inner join {{ ref('store_visits') }} as visits
        on
            slices.source = visits.source
            and slices.stay_id = visits.visit_id
),

place_slices as (
    select
        {{ hour | join(', ') }},
        cast(null as string) as floor,
        cast(null as string) as zone,
        {% for count in counts %}
        {{ 'sum' if count in sums else 'max' }}({{ count }}) as {{ count }},
        {% endfor %}
        max(visitor) as visitor
    from zone_slices
    group by {{ hour | join(', ') }}, stay_id
),

flows as (
    {% for breakdown, parts in breakdowns.items() %}
    select
        '{{ breakdown }}' as breakdown,
        {{ hour | join(', ') }},
        {{ parts or 'cast(null as string) as floor, cast(null as string) as zone' }},
        {% for count in counts %}
        cast(sum({{ count }}) as bigint) as {{ count }},
        {% endfor %}
        count(distinct case when inside_count = 1 then visitor end) as visitor_count
    from {{ breakdown }}_slices
    group by {{ hour | join(', ') }}{{ ', ' ~ parts if parts }}
    {{ "union all" if not loop.last }}
    {% endfor %}
),

final as (
    select
        breakdown,
        {{ hour | join(', ') }},
        floor,
        zone,
        visitor_count,
        {% for count in counts %}
        {{ count }},
        {% endfor %}
        {{ as_of() }} as as_of_date
    from flows
)

select * from final
