{%- set pause_minutes = var('stay_pause_minutes') -%}
with

-- Of readings at one instant the state that comes earlier in a visit is taken first.
readings as (
    select
        *,
        {{ state_position('state') }} as position
    from {{ ref('feed_presences') }}
),

neighbours as (
    select
        *,
        lag(state) over of_person as earlier_state,
        lag(occurred_at) over of_person as earlier_at,
        lead(state) over of_person as next_state,
        lead(occurred_at) over of_person as next_at
    from readings
    window of_person as (
        partition by source, identifier_type, identifier_value, place_id
        order by
            occurred_at nulls last, position nulls last, presence_id nulls last
    )
),

-- A reading of an unknown person is a stay of its own: nothing says that two are one.
paused as (
    select
        *,
        identifier_value is null
        or coalesce(
            occurred_at > earlier_at + interval '{{ pause_minutes }}' minute, true
        )
        or (
            coalesce(earlier_state = 'leave', false)
            and coalesce(state != 'leave', true)
        ) as is_start,
        identifier_value is null
        or coalesce(
            next_at > occurred_at + interval '{{ pause_minutes }}' minute, true
        )
        or (
            coalesce(state = 'leave', false)
            and coalesce(next_state != 'leave', true)
        ) as is_next_start
    from neighbours
),

final as (
    select
        source,
        presence_id,
        {{ last_known('case when is_start then presence_id end') }} over (
            partition by source, identifier_type, identifier_value, place_id
            order by
                occurred_at nulls last, position nulls last, presence_id nulls last
            rows between unbounded preceding and current row
        ) as stay_id,
        identifier_type,
        identifier_value,
        place_id,
        floor,
        zone,
        state,
        position as state_position,
        case
            when is_start then 0
            else {{ state_position('earlier_state') }}
        end as earlier_position,
        occurred_at,
        case
            when is_next_start then 0
            else
                cast(
                    floor(
                        {{ epoch_seconds('next_at') }}
                        - {{ epoch_seconds('occurred_at') }}
                    ) as bigint
                )
        end as seconds
    from paused
)

select * from final
