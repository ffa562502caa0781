with

readings as (
    select * from {{ ref('int_readings') }}
),

final as (
    select
        source,
        stay_id,
        min(identifier_type) as identifier_type,
        min(identifier_value) as identifier_value,
        min(place_id) as place_id,
        min(occurred_at) as occurred_at,
        max(occurred_at) as ended_at,
        count(*) as reading_count
    from readings
    group by source, stay_id
)

select * from final
