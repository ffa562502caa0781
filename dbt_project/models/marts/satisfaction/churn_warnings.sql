{#- Standard questions about the whole: least score, best score, from which on they are
    satisfied, up to which dissatisfied, and what one point is worth of 60. -#}
{%- set standards = {
    'csat': [1, 5, 4, 2, 15], 'nps': [0, 10, 9, 6, 6], 'ces': [1, 7, 5, 3, 10]
} -%}
{%- set next_steps = {
    'long_gap': 'ask what they miss, with an offer of what they used to buy',
    'unresolved_complaint': 'answer today, say who cares for it and until when',
    'falling_satisfaction': 'call: what went worse since they answered before',
    'falling_frequency': 'ask where else they buy, and what would bring them back',
    'owner_left': 'introduce the successor in person',
    'broken_promise': 'apologise, name a new day and keep it',
    'low_satisfaction_for_years': 'let somebody who may decide listen to them',
} -%}
{%- set usual_gaps = var('rhythm_gaps') -%}
with

customers as (
    select
        customer_id,
        {{ may_be_scored('may_be_profiled') }} as may_be_scored
    from {{ ref('customers') }}
    where customer_id != 'unidentified'
),

identities as (
    select * from {{ ref('identities') }}
    where customer_id is not null
),

purchase_days as (
    select distinct
        customer_id,
        order_date as day
    from {{ ref('orders') }}
    where is_purchase and customer_id != 'unidentified'
),

gaps as (
    select
        customer_id,
        day,
        lead(day) over (partition by customer_id order by day nulls last) as next_day,
        {{ days_between(
            'lag(day) over (partition by customer_id order by day nulls last)', 'day'
        ) }} as gap_days
    from purchase_days
),

rhythms as (
    select
        customer_id,
        day,
        next_day,
        count(gap_days) over (
            partition by customer_id
            order by day nulls last
            rows between unbounded preceding and current row
        ) as gap_count,
        {{ running_median('gap_days', 'customer_id', 'day') }} as usual_days
    from gaps
),

long_gaps as (
    select
        customer_id,
        'long_gap' as sign,
        cast(null as string) as about,
        {{ add_days(
            'day', 'cast(ceil(' ~ usual_gaps[1] ~ ' * usual_days) as bigint)'
        ) }} as opened_on,
        next_day as closed_on,
        {{ days_between('day', 'coalesce(next_day, ' ~ as_of() ~ ')') }}
        >= {{ usual_gaps[2] }} * usual_days as is_severe,
        'no purchase for '
        || cast(
            {{ days_between('day', 'coalesce(next_day, ' ~ as_of() ~ ')') }} as string
        )
        || ' days, their usual gap is '
        || cast(cast(usual_days as decimal(18, 1)) as string)
        || ' (of '
        || cast(gap_count as string)
        || ' gaps)' as evidence
    from rhythms
    where gap_count >= {{ var('minimum_gaps') }}
),

unresolved_complaints as (
    select
        customer_id,
        'unresolved_complaint' as sign,
        source || ':' || ticket_id as about,
        {{ business_date(
            'opened_at + interval \'' ~ var('complaint_response_hours') ~ '\' hour'
        ) }} as opened_on,
        {{ business_date('resolved_at') }} as closed_on,
        -- A solution is an answer, and who tells no answers does not tell of silence.
        first_response_at is null
        and resolved_at is null
        and tells_first_responses as is_severe,
        kind
        || ' of '
        || cast(opened_date as string)
        || coalesce(', ' || reason, '')
        || case
            when first_response_at is not null
                then
                    ', answered on '
                    || cast({{ business_date('first_response_at') }} as string)
            when resolved_at is not null then ''
            when tells_first_responses then ', nobody has answered'
            else ', not resolved'
        end
        || coalesce(
            ', resolved on ' || cast({{ business_date('resolved_at') }} as string), ''
        ) as evidence
    from (
        {{ cases_and_what_is_told() }}
    ) as cases
    where is_complaint and customer_id is not null and tells_solutions
),

all_answers as (
    select
        identities.customer_id,
        survey_answers.measure,
        survey_answers.answered_at,
        survey_answers.source,
        survey_answers.survey,
        survey_answers.answer_id,
        {{ business_date('survey_answers.answered_at') }} as day,
        case survey_answers.measure
            {% for measure in standards %}
            when '{{ measure }}' then {{ valid_answer('survey_answers', measure) }}
            {% endfor %}
        end as score
    from {{ ref('feed_survey_answers') }} as survey_answers
    inner join identities
        on
            survey_answers.identifier_type = identities.identifier_type
            and survey_answers.identifier_value = identities.identifier_value
    where {{ is_about_the_whole('survey_answers') }}
),

answers as (
    select
        *,
        sum(score) over (
            partition by customer_id, measure, source, survey
            order by
                answered_at nulls last,
                answer_id nulls last
            rows between unbounded preceding and 1 preceding
        ) as sum_before,
        count(*) over (
            partition by customer_id, measure, source, survey
            order by
                answered_at nulls last,
                answer_id nulls last
            rows between unbounded preceding and 1 preceding
        ) as count_before
    from all_answers
    where score is not null
),

-- A quarter of the scale lower than before in the same survey, and no longer satisfied:
-- after a complaint everybody is less pleased than after a purchase.
answers_judged as (
    select
        *,
        coalesce(
            case measure
                {% for measure, (least, best, good, bad, points) in
                    standards.items() %}
                when '{{ measure }}'
                    then
                        score < {{ good }}
                        and (score + {{ (best - least) / 4 }}e0) * count_before
                        <= sum_before
                {% endfor %}
            end,
            false
        ) as is_fallen
    from answers
),

answers_followed as (
    select
        *,
        coalesce(
            lag(is_fallen) over (
                partition by customer_id, measure, source, survey
                order by
                    answered_at nulls last,
                    answer_id nulls last
            ),
            false
        ) as was_fallen
    from answers_judged
),

answers_grouped as (
    select
        *,
        sum(case when is_fallen and not was_fallen then 1 else 0 end) over (
            partition by customer_id, measure, source, survey
            order by
                answered_at nulls last,
                answer_id nulls last
            rows between unbounded preceding and current row
        ) as fall
    from answers_followed
),

falls as (
    select
        customer_id,
        measure,
        source,
        survey,
        min(day) as opened_on,
        min(case when not is_fallen then day end) as closed_on,
        min(case when is_fallen then score end) as score,
        max(case when is_fallen and not was_fallen then sum_before end) as sum_before,
        max(case when is_fallen and not was_fallen then count_before end)
            as count_before
    from answers_grouped
    where fall > 0
    group by customer_id, measure, source, survey, fall
),

falling_satisfaction as (
    select
        customer_id,
        'falling_satisfaction' as sign,
        measure || ' of ' || source || coalesce(':' || survey, '') as about,
        opened_on,
        closed_on,
        case measure
            {% for measure, (least, best, good, bad, points) in standards.items() %}
            when '{{ measure }}' then score <= {{ bad }}
            {% endfor %}
        end as is_severe,
        measure
        || ' '
        || cast(score as string)
        || ', before it was '
        || cast(
            cast(cast(sum_before as double) / count_before as decimal(18, 1)) as string
        )
        || ' on average (of '
        || cast(count_before as string)
        || ')' as evidence
    from falls
),

-- At the ends of months that are over: 90 days against the rest of the year before.
paces as (
    select
        customer_id,
        state_on as day,
        purchase_day_count_90d as seen_count,
        90 * cast(purchase_day_count_365d - purchase_day_count_90d as double)
        / (least({{ days_between('first_order_date', 'state_on') }} + 1, 365) - 90)
            as usual_count
    from {{ ref('int_customer_states') }}
    where
        {{ days_between('first_order_date', 'state_on') }} + 1 >= 180
        and extract(day from {{ add_days('state_on', 1) }}) = 1
),

-- Of as many by chance fewer than one in twenty would be so few.
paces_judged as (
    select
        *,
        seen_count < usual_count - 1.645e0 * sqrt(usual_count) as is_fallen
    from paces
),

paces_followed as (
    select
        *,
        coalesce(
            lag(is_fallen) over (partition by customer_id order by day nulls last),
            false
        ) as was_fallen
    from paces_judged
),

paces_grouped as (
    select
        *,
        sum(case when is_fallen and not was_fallen then 1 else 0 end) over (
            partition by customer_id
            order by day nulls last
            rows between unbounded preceding and current row
        ) as fall
    from paces_followed
),

falling_frequency as (
    select
        customer_id,
        'falling_frequency' as sign,
        cast(null as string) as about,
        min(day) as opened_on,
        min(case when not is_fallen then day end) as closed_on,
        min(case when is_fallen then seen_count end) = 0 as is_severe,
        'bought on '
        || cast(min(case when is_fallen then seen_count end) as string)
        || ' days in 90, usual are '
        || cast(
            cast(
                max(case when is_fallen and not was_fallen then usual_count end)
                as decimal(18, 1)
            ) as string
        ) as evidence
    from paces_grouped
    where fall > 0
    group by customer_id, fall
),

care as (
    select
        identities.customer_id,
        assignments.employee_id,
        {{ business_date('assignments.valid_from') }} as began_on,
        {{ business_date('assignments.valid_to') }} as ended_on
    from {{ ref('feed_assignments') }} as assignments
    left join identities
        on
            assignments.identifier_type = identities.identifier_type
            and assignments.identifier_value = identities.identifier_value
),

care_ended as (
    select distinct
        customer_id,
        employee_id,
        ended_on
    from care
    where customer_id is not null and ended_on <= {{ as_of() }}
),

-- Whose owner has customers at the end of that day has not left, but has changed.
owners_there as (
    select distinct
        care_ended.employee_id,
        care_ended.ended_on
    from care_ended
    inner join care on care_ended.employee_id = care.employee_id
    where
        care.began_on <= care_ended.ended_on
        and coalesce(care.ended_on > care_ended.ended_on, true)
),

successors as (
    select
        care_ended.customer_id,
        care_ended.employee_id,
        care_ended.ended_on,
        min(care.employee_id) as successor_id
    from care_ended
    inner join care on care_ended.customer_id = care.customer_id
    where
        care.began_on <= care_ended.ended_on
        and coalesce(care.ended_on > care_ended.ended_on, true)
    group by care_ended.customer_id, care_ended.employee_id, care_ended.ended_on
),

-- Who buys again goes on without them.
bought_after_leaving as (
    select
        care_ended.customer_id,
        care_ended.employee_id,
        care_ended.ended_on,
        min(purchase_days.day) as bought_on
    from care_ended
    inner join purchase_days on care_ended.customer_id = purchase_days.customer_id
    where purchase_days.day > care_ended.ended_on
    group by care_ended.customer_id, care_ended.employee_id, care_ended.ended_on
),

owners_left as (
    select
        care_ended.customer_id,
        'owner_left' as sign,
        care_ended.employee_id as about,
        care_ended.ended_on as opened_on,
        bought_after_leaving.bought_on as closed_on,
        successors.successor_id is null as is_severe,
        care_ended.employee_id
        || ' left on '
        || cast(care_ended.ended_on as string)
        || coalesce(', followed by ' || successors.successor_id, ', nobody follows')
            as evidence
    from care_ended
    left join owners_there
        on
            care_ended.employee_id = owners_there.employee_id
            and care_ended.ended_on = owners_there.ended_on
    left join successors
        on
            care_ended.customer_id = successors.customer_id
            and care_ended.employee_id = successors.employee_id
            and care_ended.ended_on = successors.ended_on
    left join bought_after_leaving
        on
            care_ended.customer_id = bought_after_leaving.customer_id
            and care_ended.employee_id = bought_after_leaving.employee_id
            and care_ended.ended_on = bought_after_leaving.ended_on
    where owners_there.employee_id is null
),

promises_missed as (
    select
        *,
        {{ business_date('due_at') }} as due_on,
        {{ business_date('kept_at') }} as kept_on
    from {{ ref('promises') }}
    where not is_kept_in_time and customer_id is not null
),

bought_after_promises as (
    select
        promises_missed.source,
        promises_missed.promise_id,
        min(purchase_days.day) as bought_on
    from promises_missed
    inner join purchase_days
        on promises_missed.customer_id = purchase_days.customer_id
    where purchase_days.day > promises_missed.due_on
    group by promises_missed.source, promises_missed.promise_id
),

broken_promises as (
    select
        promises_missed.customer_id,
        'broken_promise' as sign,
        promises_missed.source || ':' || promises_missed.promise_id as about,
        promises_missed.due_on as opened_on,
        least(promises_missed.kept_on, bought_after_promises.bought_on) as closed_on,
        promises_missed.kept_on is null as is_severe,
        coalesce(promises_missed.kind || ' promised', 'promised')
        || ' for '
        || cast(promises_missed.due_on as string)
        || coalesce(
            ', kept on ' || cast(promises_missed.kept_on as string), ', not kept'
        ) as evidence
    from promises_missed
    left join bought_after_promises
        on
            promises_missed.source = bought_after_promises.source
            and promises_missed.promise_id = bought_after_promises.promise_id
),

years as (
    select
        customer_id,
        extract(year from day) as year,
        count(*) as answer_count,
        sum(
            case measure
                {% for measure, (least, best, good, bad, points) in
                    standards.items() %}
                when '{{ measure }}' then (score - {{ least }}) * {{ points }}
                {% endfor %}
            end
        ) as points
    from answers
    where extract(year from day) < extract(year from {{ add_days(as_of(), 1) }})
    group by customer_id, extract(year from day)
),

-- Years in a row have one and the same difference from their number.
low_years as (
    select
        customer_id,
        year,
        year - row_number() over (
            partition by customer_id order by year nulls last
        ) as streak
    from years
    where points < 30 * answer_count
),

streaks as (
    select
        customer_id,
        min(year) as first_year,
        max(year) as last_year,
        count(*) as year_count
    from low_years
    group by customer_id, streak
    having count(*) >= 2
),

low_satisfaction as (
    select
        customer_id,
        'low_satisfaction_for_years' as sign,
        cast(null as string) as about,
        cast(cast(first_year + 1 as string) || '-12-31' as date) as opened_on,
        -- The end of the next year tells that it was not low, or that nobody asked.
        cast(cast(last_year + 1 as string) || '-12-31' as date) as closed_on,
        year_count >= 4 as is_severe,
        'on average in the lower half of the scale in each of '
        || cast(year_count as string)
        || ' years, '
        || cast(first_year as string)
        || ' to '
        || cast(last_year as string) as evidence
    from streaks
),

all_signs as (
    {% for sign in [
        'long_gaps', 'unresolved_complaints', 'falling_satisfaction',
        'falling_frequency', 'owners_left', 'broken_promises', 'low_satisfaction'
    ] %}
    select * from {{ sign }}
    {{ "union all" if not loop.last }}
    {% endfor %}
),

-- What was a sign a year ago is none today, but for what lasts until it is mended.
ended as (
    select
        customer_id,
        sign,
        about,
        opened_on,
        case
            when sign in ('unresolved_complaint', 'low_satisfaction_for_years')
                then closed_on
            else least(closed_on, {{ add_days('opened_on', 365) }})
        end as closed_on,
        is_severe,
        evidence
    from all_signs
),

-- What begins and ends on one day was open at the end of none.
opened as (
    select
        ended.customer_id,
        ended.sign,
        ended.about,
        ended.opened_on,
        case when ended.closed_on <= {{ as_of() }} then ended.closed_on end
            as closed_on,
        ended.is_severe,
        ended.evidence
    from ended
    inner join customers on ended.customer_id = customers.customer_id
    where
        customers.may_be_scored
        and ended.opened_on <= {{ as_of() }}
        and coalesce(ended.closed_on > ended.opened_on, true)
),

purchases_around as (
    select
        opened.customer_id,
        opened.opened_on,
        max(case when purchase_days.day <= opened.opened_on then purchase_days.day end)
            as bought_before,
        min(case when purchase_days.day > opened.opened_on then purchase_days.day end)
            as bought_after
    from opened
    inner join purchase_days on opened.customer_id = purchase_days.customer_id
    group by opened.customer_id, opened.opened_on
),

foretold as (
    select
        customer_id,
        1 - probability as churn_probability
    from {{ ref('customer_predictions') }}
    where question = 'buys_again'
),

final as (
    select
        opened.customer_id,
        opened.sign,
        opened.about,
        opened.opened_on,
        opened.closed_on,
        opened.closed_on is null as is_open,
        case when opened.is_severe then 'high' else 'medium' end as severity,
        opened.evidence,
        case opened.sign
            {% for sign, step in next_steps.items() %}
            when '{{ sign }}' then '{{ step }}'
            {% endfor %}
        end as next_step,
        foretold.churn_probability,
        {{ add_days('opened.opened_on', var('horizon_days')) }} as judged_on,
        case
            when
                coalesce(
                    purchases_around.bought_before
                    <= {{ add_days('opened.opened_on', '(-365)') }},
                    purchases_around.bought_before is null
                )
                then 'no customer'
            when
                purchases_around.bought_after
                <= {{ add_days('opened.opened_on', var('horizon_days')) }}
                then 'stayed'
            when
                {{ add_days('opened.opened_on', var('horizon_days')) }} > {{ as_of() }}
                then 'not yet known'
            else 'left'
        end as outcome,
        {{ as_of() }} as as_of_date
    from opened
    left join purchases_around
        on
            opened.customer_id = purchases_around.customer_id
            and opened.opened_on = purchases_around.opened_on
    left join foretold on opened.customer_id = foretold.customer_id
)

select * from final
