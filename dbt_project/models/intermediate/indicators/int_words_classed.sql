{%- set acts = {} -%}
{%- do words_of_acts(acts) -%}
with

touchpoint_kinds as (
    select * from {{ ref('touchpoint_kinds') }}
),

touchpoints as (
    select distinct channel as word
    from {{ ref('interactions') }}
    where channel is not null
    union
    select distinct touchpoint as word
    from {{ ref('feed_survey_answers') }}
    where touchpoint is not null
    union
    select distinct first_touchpoint as word
    from {{ ref('sessions') }}
    where first_touchpoint is not null
    union
    select 'presence' as word
),

event_names as (
    select distinct detail as word
    from {{ ref('interactions') }}
    where interaction_kind = 'event' and detail is not null
),

final as (
    select
        'touchpoint' as kind,
        touchpoints.word,
        coalesce(touchpoint_kinds.kind, 'unknown') as meaning
    from touchpoints
    left join touchpoint_kinds
        on {{ folded('touchpoints.word') }} = touchpoint_kinds.word
    union all
    select
        'event_name' as kind,
        word,
        case
            {%- for act, words in acts.items() %}
            when
                {{ folded('word') }} in (
                    {%- for each in words %}
                    '{{ each }}'{{ "," if not loop.last }}
                    {%- endfor %}
                )
                then '{{ act }}'
            {%- endfor %}
            else 'other'
        end as meaning
    from event_names
)

select * from final
