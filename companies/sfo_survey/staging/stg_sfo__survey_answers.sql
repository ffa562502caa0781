{#- Column, question, measure, dimension, touchpoint judged, ends of the scale. -#}
{%- set questions = [
    ['recommendation', 'How likely to recommend SFO', 'nps', none, none, 0, 10],
    ['overall', 'SFO as a whole', 'csat', 'overall', none, 1, 5],
    ['art', 'Artwork and exhibitions', 'csat', 'art', 'terminal', 1, 5],
    ['restaurants', 'Restaurants', 'csat', 'restaurants', 'restaurant', 1, 5],
    ['shops', 'Retail shops and concessions', 'csat', 'shops', 'shop', 1, 5],
    ['signs', 'Signs inside SFO', 'csat', 'signs', 'terminal', 1, 5],
    ['walkways', 'Escalators and walkways', 'csat', 'walkways', 'terminal', 1, 5],
    ['screens', 'Information on screens', 'csat', 'screens', 'terminal', 1, 5],
    [
        'booths_downstairs', 'Information booths near baggage claim', 'csat',
        'booths_downstairs', 'information_booth', 1, 5
    ],
    [
        'booths_upstairs', 'Information booths in the departure area', 'csat',
        'booths_upstairs', 'information_booth', 1, 5
    ],
    ['wifi', 'Free wi-fi', 'csat', 'wifi', 'wifi', 1, 5],
    ['roadway_signs', 'Signs on roadways', 'csat', 'roadway_signs', 'roadway', 1, 5],
    ['parking', 'Parking facilities', 'csat', 'parking', 'parking', 1, 5],
    ['airtrain', 'AirTrain', 'csat', 'airtrain', 'airtrain', 1, 5],
    [
        'parking_shuttle', 'Bus to the long term parking lot', 'csat',
        'parking_shuttle', 'parking_shuttle', 1, 5
    ],
    [
        'rental_cars', 'Rental car center', 'csat', 'rental_cars',
        'rental_car_center', 1, 5
    ],
    [
        'clean_overall', 'Cleanliness of SFO overall', 'perception',
        'clean_overall', none, 1, 5
    ],
    [
        'clean_boarding_areas', 'Cleanliness of boarding areas', 'perception',
        'clean_boarding_areas', 'boarding_area', 1, 5
    ],
    [
        'clean_garage', 'Cleanliness of the hourly garage', 'perception',
        'clean_garage', 'parking', 1, 5
    ],
    [
        'clean_airtrain', 'Cleanliness of the AirTrain', 'perception',
        'clean_airtrain', 'airtrain', 1, 5
    ],
    [
        'clean_rental_cars', 'Cleanliness of the rental car center', 'perception',
        'clean_rental_cars', 'rental_car_center', 1, 5
    ],
    [
        'clean_restaurants', 'Cleanliness of restaurants', 'perception',
        'clean_restaurants', 'restaurant', 1, 5
    ],
    [
        'clean_restrooms', 'Cleanliness of restrooms', 'perception',
        'clean_restrooms', 'restroom', 1, 5
    ],
    ['safety', 'How safe one feels at SFO', 'perception', 'safety', none, 1, 5],
    [
        'reaching_airport', 'Getting to the airport', 'ces', 'reaching_airport',
        none, 1, 5
    ],
    ['finding_way', 'Finding the way', 'ces', 'finding_way', 'terminal', 1, 5],
    [
        'passing_security', 'Passing through security', 'ces', 'passing_security',
        'security_check', 1, 5
    ],
] -%}
with

responses as (
    select * from {{ ref('int_responses_united') }}
),

answers as (
    {{ unpivoted(
        'responses',
        [
            'respondent_id', 'identifier_type', 'identifier_value',
            'answered_at', 'method', 'loaded_at',
        ],
        ['question', 'measure', 'dimension', 'touchpoint', 'scale_min', 'scale_max'],
        questions,
        'score',
        'double'
    ) }}
),

final as (
    select
        'sfo' as source,
        respondent_id || '-' || coalesce(dimension, measure) as answer_id,
        identifier_type,
        identifier_value,
        respondent_id as response_id,
        answered_at,
        'SFO customer survey' as survey,
        question,
        measure,
        dimension,
        score,
        scale_min,
        scale_max,
        method,
        touchpoint,
        loaded_at
    from answers
)

select * from final
