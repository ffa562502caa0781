{{ config(materialized='table') }}
{#- First day of the month of each year's interviews, and what to add to the code of
    the day to get days after it. -#}
{%- set waves = {
    2010: ['2010-09-01', 9],
    2011: ['2011-05-01', 8],
    2012: ['2012-05-01', -1],
    2013: ['2013-05-01', -1],
    2014: ['2014-09-01', -1],
    2015: ['2015-05-01', -1],
    2016: ['2016-05-01', -1],
    2017: ['2017-05-01', -1],
    2018: ['2018-05-01', -1],
} -%}
{#- What was not asked in all years. -#}
{%- set asked = {
    'collection': [2010, 2011, 2013, 2014, 2015, 2016, 2017, 2018],
    'wifi': range(2013, 2019),
    'clean_garage': range(2010, 2013),
    'clean_overall': range(2013, 2019),
    'reaching_airport': range(2012, 2019),
    'recommendation': [2017, 2018],
} -%}
{%- set questions = [
    'overall', 'art', 'restaurants', 'shops', 'signs', 'walkways', 'screens',
    'booths_downstairs', 'booths_upstairs', 'wifi', 'roadway_signs', 'parking',
    'airtrain', 'parking_shuttle', 'rental_cars', 'clean_overall',
    'clean_boarding_areas', 'clean_garage', 'clean_airtrain', 'clean_rental_cars',
    'clean_restaurants', 'clean_restrooms', 'safety', 'reaching_airport',
    'finding_way', 'passing_security', 'recommendation',
] -%}
{%- set traits = [
    'administration', 'collection', 'trip_purpose', 'flights_a_year', 'age_band',
    'gender', 'income_band',
] -%}
{%- set world = {
    '10': 'California and Western US',
    '11': 'Midwestern US',
    '12': 'Eastern US',
    '13': 'Canada, Mexico, Caribbean',
    '14': 'Central and South America',
    '15': 'Europe',
    '16': 'Asia',
    '17': 'Middle East',
    '18': 'Africa',
    '19': 'Australia, New Zealand, Pacific',
    '90': 'San Francisco Bay Area',
    '91': 'Northern California',
} -%}
{%- set homes_2010 = {
    '1': 'San Francisco County',
    '2': 'San Francisco Bay Area',
    '3': 'California outside of the Bay Area',
    '4': 'outside of California',
    '10': 'Alameda County',
    '11': 'Contra Costa County',
    '12': 'San Mateo County',
    '13': 'Santa Clara County',
    '14': 'Marin County',
    '15': 'Sonoma County',
    '16': 'Napa County',
    '17': 'Solano County',
} -%}
{%- set homes_2011 = {
    '1': 'San Francisco County',
    '2': 'San Mateo County',
    '3': 'Alameda County',
    '4': 'Santa Clara County',
    '5': 'Contra Costa County',
    '6': 'Marin County',
    '7': 'Sonoma County',
    '8': 'Solano County',
    '9': 'Napa County',
} -%}
{%- set homes_2018 = {
    '1': 'Alameda County',
    '2': 'Contra Costa County',
    '3': 'Marin County',
    '4': 'Napa County',
    '5': 'San Francisco County',
    '6': 'San Mateo County',
    '7': 'Santa Clara County',
    '8': 'Solano County',
    '9': 'Sonoma County',
} -%}
{%- do homes_2011.update(world) -%}
{%- do homes_2018.update(world) -%}
with

responses as (
    {% for year, (first_day, shift) in waves.items() %}
    select
        {{ year }} as survey_year,
        '{{ year }}-' || respondent_number as respondent_id,
        {% if year == 2016 %}
        interview_date,
        {% elif year == 2010 %}
        {{ add_days(
            "date '" ~ first_day ~ "'",
            '(' ~ code_label('interview_day', {1: -3, 16: 14}, 'interview_day')
            ~ ' + ' ~ shift ~ ')'
        ) }} as interview_date,
        {% else %}
        {{ add_days("date '" ~ first_day ~ "'", '(interview_day + ' ~ shift ~ ')') }}
            as interview_date,
        {% endif %}
        date '{{ first_day }}' as wave_date,
        {{ code_label(
            'home',
            homes_2010 if year == 2010 else homes_2018 if year == 2018 else homes_2011
        ) }} as home,
        {% for column in traits + questions %}
        {{ column if year in asked.get(column, waves) else 'null' }} as {{ column }},
        {% endfor %}
        loaded_at
    from {{ source('sfo', 'responses_' ~ year) }}
    {{ "union all" if not loop.last }}
    {% endfor %}
),

final as (
    select
        survey_year,
        respondent_id,
        'respondent' as identifier_type,
        respondent_id as identifier_value,
        {{ business_midnight('coalesce(interview_date, wave_date)') }} as answered_at,
        case
            when collection = '2' then 'mail'
            when collection = '3' then 'online'
            when administration = '1' then 'interview'
            when administration = '2' then 'questionnaire'
        end as method,
        home,
        {{ code_label('trip_purpose', {
            '1': 'business',
            '2': 'holiday',
            '3': 'visit to friends or relatives',
            '4': 'school',
            '5': 'conference',
            '6': 'wedding, funeral or reunion',
        }, "case when trip_purpose is not null then 'other' end") }} as trip_purpose,
        {{ code_label('flights_a_year', {
            '1': '1',
            '2': '2',
            '3': '3-6',
            '4': '7-12',
            '5': '13-24',
            '6': 'more than 24',
        }) }} as flights_a_year,
        {{ code_label('age_band', {
            '1': 'under 18',
            '2': '18-24',
            '3': '25-34',
            '4': '35-44',
            '5': '45-54',
            '6': '55-64',
            '7': '65 and over',
            'Under 18': 'under 18',
            '18-24': '18-24',
            '25-34': '25-34',
            '35-44': '35-44',
            '45-54': '45-54',
            '55-64': '55-64',
            '65-Over': '65 and over',
        }) }} as age_band,
        {{ code_label('gender', {
            '1': 'male',
            'Male': 'male',
            '2': 'female',
            'Female': 'female',
            '3': 'other',
        }) }} as gender,
        {{ code_label('income_band', {
            '1': 'under 50,000 USD',
            '2': '50,000-100,000 USD',
            '3': '100,001-150,000 USD',
            '4': 'over 150,000 USD',
        }) }} as income_band,
        {% for column in questions %}
        {{ column }},
        {% endfor %}
        loaded_at
    from responses
)

select * from final
