with

answers as (
    select
        *,
        coalesce('response:' || response_id, 'answer:' || answer_id) as response
    from {{ ref('feed_survey_answers') }}
),

final as (
    select
        source,
        min_by(
            coalesce(response_id, answer_id),
            {{ ordering(['answered_at', 'answer_id']) }}
        ) as response_id,
        min_by(identifier_type, {{ ordering(['answered_at', 'answer_id']) }})
        filter (where identifier_value is not null) as identifier_type,
        min_by(identifier_value, {{ ordering(['answered_at', 'answer_id']) }})
        filter (where identifier_value is not null) as identifier_value,
        min(answered_at) as answered_at,
        min_by(method, {{ ordering(['answered_at', 'answer_id']) }})
        filter (where method is not null) as method,
        min_by(survey, {{ ordering(['answered_at', 'answer_id']) }})
        filter (where survey is not null) as survey,
        count(*) as answer_count
    from answers
    group by source, response
)

select * from final
