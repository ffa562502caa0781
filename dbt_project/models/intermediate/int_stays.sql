{%- set pause_minutes = var('stay_pause_minutes') -%}
with

readings as (
    select * from {{ ref('feed_presences') }}
),

-- A reading of an unknown person is a stay of its own: nothing says that two are one.
paused as (
    select
        *,
        coalesce(
            identifier_value is null
            or occurred_at > lag(occurred_at) over (
                partition by
                    source, identifier_type, identifier_value, place_id
                order by occurred_at nulls last, presence_id nulls last
            ) + interval '{{ pause_minutes }}' minute
            or lag(state) over (
                partition by
                    source, identifier_type, identifier_value, place_id
                order by occurred_at nulls last, presence_id nulls last
            ) = 'leave',
            true
        ) as is_start
    from readings
),

numbered as (
    select
        *,
        case when identifier_value is null then presence_id end as unknown_id,
        sum(case when is_start then 1 else 0 end) over (
            partition by source, identifier_type, identifier_value, place_id
            order by occurred_at nulls last, presence_id nulls last
            rows between unbounded preceding and current row
        ) as stay_number
    from paused
),

final as (
    select
        source,
        min_by(
            presence_id, {{ ordering(['occurred_at', 'presence_id']) }}
        ) as stay_id,
        identifier_type,
        identifier_value,
        place_id,
        min(occurred_at) as occurred_at,
        max(occurred_at) as ended_at,
        count(*) as reading_count
    from numbered
    group by
        source,
        identifier_type,
        identifier_value,
        place_id,
        stay_number,
        unknown_id
)

select * from final
