with

interactions as (
    select * from {{ ref('interactions') }}
),

touchpoint_kinds as (
    select * from {{ ref('touchpoint_kinds') }}
),

-- By day and word first: few groups are left to fold.
counted as (
    select
        coalesce(channel, interaction_kind) as word,
        occurred_date,
        count(*) as interaction_count
    from interactions
    group by coalesce(channel, interaction_kind), occurred_date
),

summed as (
    select
        {{ folded('word') }} as touchpoint,
        min(word) as name,
        min(occurred_date) as first_seen_date,
        max(occurred_date) as last_seen_date,
        cast(sum(interaction_count) as bigint) as interaction_count
    from counted
    group by {{ folded('word') }}
),

final as (
    select
        summed.touchpoint,
        summed.name,
        coalesce(touchpoint_kinds.kind, 'unknown') as kind,
        touchpoint_kinds.is_digital,
        summed.first_seen_date,
        summed.last_seen_date,
        summed.interaction_count,
        {{ as_of() }} as as_of_date
    from summed
    left join touchpoint_kinds on summed.touchpoint = touchpoint_kinds.word
)

select * from final
