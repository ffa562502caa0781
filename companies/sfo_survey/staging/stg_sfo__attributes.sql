with

responses as (
    select * from {{ ref('int_responses_united') }}
),

traits as (
    {{ unpivoted(
        'responses',
        [
            'respondent_id', 'identifier_type', 'identifier_value', 'answered_at',
            'loaded_at',
        ],
        ['attribute'],
        ['age_band', 'gender', 'income_band', 'trip_purpose', 'flights_a_year'],
        'value_text',
        'string'
    ) }}
),

final as (
    select
        'sfo' as source,
        respondent_id || '-' || attribute as attribute_id,
        identifier_type,
        identifier_value,
        attribute,
        value_text,
        answered_at as observed_at,
        loaded_at
    from traits
)

select * from final
