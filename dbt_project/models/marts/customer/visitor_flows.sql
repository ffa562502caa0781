{#- By what the readings of an hour are divided. -#}
{%- set breakdowns = {'place': [], 'zone': ['floor', 'zone']} -%}
{%- set hour = ['place_key', 'source', 'place_id', 'flow_date', 'flow_hour'] -%}
{%- set counts = [
    'near_count', 'inside_count', 'dwell_count', 'entered_count', 'bought_count',
    'left_count', 'inside_seconds', 'dwell_seconds', 'reading_count',
] -%}
with

readings as (
    select
        *,
        {{ is_inside('state_position') }} as is_inside,
        {{ business_date('occurred_at') }} as flow_date,
        cast({{ business_hour('occurred_at') }} as bigint) as flow_hour
    from {{ ref('int_readings') }}
),

visits as (
    select * from {{ ref('store_visits') }}
),

{% for breakdown, parts in breakdowns.items() %}
-- First by visit: few rows are left of which visitors must be told apart.
{{ breakdown }}_slices as (
    select
        source,
        stay_id,
        flow_date,
        flow_hour,
        {{ "floor, zone," if parts }}
        max(case when identifier_value is not null then identifier_type end)
            as identifier_type,
        max(identifier_value) as identifier_value,
        max(case when state = 'near' then 1 else 0 end) as near_count,
        max(case when is_inside then 1 else 0 end) as inside_count,
        max(case when state = 'dwell' then 1 else 0 end) as dwell_count,
        max(case when state = 'leave' then 1 else 0 end) as left_count,
        sum(case when is_inside then seconds else 0 end) as inside_seconds,
        sum(case when state = 'dwell' then seconds else 0 end) as dwell_seconds,
        count(*) as reading_count,
        min(case when is_inside then occurred_at end) as inside_since
    from readings
    group by source, stay_id, flow_date, flow_hour{{ ", floor, zone" if parts }}
),

{{ breakdown }}_visitors as (
    select
        visits.place_key,
        slices.source,
        visits.place_id,
        slices.flow_date,
        slices.flow_hour,
        {% for part in ['floor', 'zone'] %}
        {{ "slices." ~ part if part in parts else "cast(null as string) as " ~ part }},
        {% endfor %}
        coalesce(
            'customer ' || visits.customer_id,
            slices.identifier_type || ' ' || slices.identifier_value,
            'visit ' || slices.stay_id
        ) as visitor,
        slices.near_count,
        slices.inside_count,
        slices.dwell_count,
        case when slices.inside_since = visits.entered_at then 1 else 0 end
            as entered_count,
        case
            when slices.inside_since = visits.entered_at and visits.outcome = 'bought'
                then 1
            else 0
        end as bought_count,
        slices.left_count,
        slices.inside_seconds,
        slices.dwell_seconds,
        slices.reading_count
    from {{ breakdown }}_slices as slices
    inner join visits
        on
            slices.source = visits.source
            and slices.stay_id = visits.visit_id
),

{% endfor %}
by_visitor as (
    {% for breakdown in breakdowns %}
    select
        '{{ breakdown }}' as breakdown,
        {{ hour | join(', ') }},
        floor,
        zone,
        visitor,
        {% for count in counts %}
        sum({{ count }}) as {{ count }}{{ "," if not loop.last }}
        {% endfor %}
    from {{ breakdown }}_visitors
    group by {{ hour | join(', ') }}, floor, zone, visitor
    {{ "union all" if not loop.last }}
    {% endfor %}
),

final as (
    select
        breakdown,
        {{ hour | join(', ') }},
        floor,
        zone,
        cast(sum(case when inside_count > 0 then 1 else 0 end) as bigint)
            as visitor_count,
        {% for count in counts %}
        cast(sum({{ count }}) as bigint) as {{ count }},
        {% endfor %}
        {{ as_of() }} as as_of_date
    from by_visitor
    group by breakdown, {{ hour | join(', ') }}, floor, zone
)

select * from final
