{#- Standard questions about the whole: what is good and bad of their scales, and a
    fifth of a scale's length. -#}
{%- set standards = {
    'csat': [4, 2, 0.8], 'nps': [9, 6, 2], 'ces': [5, 3, 1.2]
} -%}
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

answers as (
    select
        identities.customer_id,
        survey_answers.answered_at,
        survey_answers.answer_id,
        survey_answers.source,
        coalesce(survey_answers.survey, 'not_stated') as survey,
        {{ is_about_the_whole('survey_answers') }} as is_about_the_whole,
        {{ valid_answer('survey_answers', 'csat') }} as csat,
        {{ valid_answer('survey_answers', 'nps') }} as nps,
        {{ valid_answer('survey_answers', 'ces') }} as ces
    from {{ ref('feed_survey_answers') }} as survey_answers
    inner join identities
        on
            survey_answers.identifier_type = identities.identifier_type
            and survey_answers.identifier_value = identities.identifier_value
),

answered as (
    select
        customer_id,
        max(answered_at) as last_answered_at,
        count(distinct {{ business_date('answered_at') }}) as answer_day_count
    from answers
    group by customer_id
),

{% for kind in standards %}
{{ kind }}_ranked as (
    select
        customer_id,
        answered_at,
        source,
        survey,
        cast({{ kind }} as double) as score,
        row_number() over (
            partition by customer_id
            order by
                answered_at desc nulls last,
                source asc nulls last,
                answer_id asc nulls last
        ) as position
    from answers
    where {{ kind }} is not null and is_about_the_whole
),

{{ kind }}_latest as (
    select * from {{ kind }}_ranked
    where position = 1
),

-- Mean and change are told within one survey: after a complaint everybody is less
-- pleased than after a purchase.
{{ kind }}_summed as (
    select
        latest.customer_id,
        count(*) as {{ kind }}_answer_count,
        avg(
            case
                when
                    ranked.source = latest.source
                    and ranked.survey = latest.survey
                    then ranked.score
            end
        ) as {{ kind }}_mean,
        cast(round(max(latest.score)) as bigint) as {{ kind }}_latest,
        max(latest.answered_at) as {{ kind }}_latest_at,
        max(latest.score) - avg(
            case
                when
                    ranked.position > 1
                    and ranked.source = latest.source
                    and ranked.survey = latest.survey
                    then ranked.score
            end
        ) as {{ kind }}_change
    from {{ kind }}_latest as latest
    inner join {{ kind }}_ranked as ranked
        on latest.customer_id = ranked.customer_id
    group by latest.customer_id
),

{% endfor %}
cases as (
    select
        customer_id,
        count(*) filter (where is_complaint) as complaint_count,
        count(*) filter (where state != 'resolved' and tells_solutions)
            as unresolved_case_count,
        count(*) filter (where state = 'overdue') as overdue_case_count,
        min(case when state != 'resolved' and tells_solutions then opened_at end)
            as unresolved_since
    from (
        {{ cases_and_what_is_told() }}
    ) as told_cases
    where customer_id is not null
    group by customer_id
),

promises as (
    select
        customer_id,
        count(*) filter (where is_kept_in_time is not null) as promise_due_count,
        count(*) filter (where not is_kept_in_time) as promise_missed_count
    from {{ ref('promises') }}
    where customer_id is not null
    group by customer_id
),

purchases as (
    select
        customer_id,
        count(distinct order_date) as purchase_day_count
    from {{ ref('orders') }}
    where is_purchase and customer_id != 'unidentified'
    group by customer_id
),

-- A category that was first bought on a later day than the first purchase.
novelties as (
    select
        customer_id,
        max(first_bought_date) > min(first_bought_date) as tries_new
    from (
        select
            order_lines.customer_id,
            products.category,
            min(order_lines.order_date) as first_bought_date
        from {{ ref('order_lines') }} as order_lines
        inner join {{ ref('products') }} as products
            on order_lines.product_key = products.product_key
        where
            order_lines.is_purchase
            and order_lines.customer_id != 'unidentified'
            and products.category is not null
        group by order_lines.customer_id, products.category
    ) as categories
    group by customer_id
),

words as (
    select
        identities.customer_id,
        count(*) as recommendation_count
    from {{ ref('feed_posts') }} as posts
    inner join identities
        on
            posts.identifier_type = identities.identifier_type
            and posts.identifier_value = identities.identifier_value
    where
        posts.referred_identifier is not null
        or (posts.is_about_us and posts.sentiment > 0)
    group by identities.customer_id
),

joined as (
    select
        customers.customer_id,
        customers.may_be_scored,
        answered.last_answered_at,
        coalesce(answered.answer_day_count, 0) as answer_day_count,
        {% for kind in standards %}
        {{ kind }}_summed.{{ kind }}_latest,
        {{ kind }}_summed.{{ kind }}_latest_at,
        {{ kind }}_summed.{{ kind }}_mean,
        coalesce({{ kind }}_summed.{{ kind }}_answer_count, 0)
            as {{ kind }}_answer_count,
        {{ kind }}_summed.{{ kind }}_change,
        {% endfor %}
        coalesce(cases.complaint_count, 0) as complaint_count,
        coalesce(cases.unresolved_case_count, 0) as unresolved_case_count,
        coalesce(cases.overdue_case_count, 0) as overdue_case_count,
        cases.unresolved_since,
        coalesce(promises.promise_due_count, 0) as promise_due_count,
        coalesce(promises.promise_missed_count, 0) as promise_missed_count,
        coalesce(purchases.purchase_day_count, 0) > 1 as buys_again,
        coalesce(novelties.tries_new, false) as tries_new,
        coalesce(words.recommendation_count, 0) > 0
        or coalesce(nps_summed.nps_latest >= 9, false) as tells_others,
        coalesce(answered.answer_day_count, 0) > 0 as answers_surveys
    from customers
    left join answered on customers.customer_id = answered.customer_id
    {% for kind in standards %}
    left join {{ kind }}_summed
        on customers.customer_id = {{ kind }}_summed.customer_id
    {% endfor %}
    left join cases on customers.customer_id = cases.customer_id
    left join promises on customers.customer_id = promises.customer_id
    left join purchases on customers.customer_id = purchases.customer_id
    left join novelties on customers.customer_id = novelties.customer_id
    left join words on customers.customer_id = words.customer_id
),

-- The standard question that was answered last, csat before nps before ces.
chosen as (
    select
        *,
        {% for kind, (_, _, fifth) in standards.items() %}
        case
            when round({{ kind }}_change, 9) <= -{{ fifth }} then 'falling'
            when round({{ kind }}_change, 9) >= {{ fifth }} then 'rising'
            when {{ kind }}_change is not null then 'steady'
        end as {{ kind }}_trend,
        {% endfor %}
        greatest(csat_latest_at, nps_latest_at, ces_latest_at) as told_at
    from joined
),

final as (
    select
        customer_id,
        case
            when not may_be_scored then 'not_permitted'
            when told_at is null then 'unknown'
            {% for kind, (good, bad, _) in standards.items() %}
            when {{ kind }}_latest_at = told_at and {{ kind }}_latest >= {{ good }}
                then 'satisfied'
            when {{ kind }}_latest_at = told_at and {{ kind }}_latest <= {{ bad }}
                then 'dissatisfied'
            when {{ kind }}_latest_at = told_at then 'undecided'
            {% endfor %}
        end as satisfaction,
        case
            when not may_be_scored then null
            {% for kind in standards %}
            when {{ kind }}_latest_at = told_at then '{{ kind }}'
            {% endfor %}
        end as told_by,
        case when may_be_scored then told_at end as told_at,
        case
            when may_be_scored
                then
                    coalesce(
                        {% for kind in standards %}
                        case
                            when {{ kind }}_latest_at = told_at then {{ kind }}_trend
                        end,
                        {% endfor %}
                        csat_trend, nps_trend, ces_trend
                    )
        end as trend,
        case
            when not may_be_scored then 'profiling not permitted'
            when told_at is null then 'no answer to CSAT, NPS or CES about the whole'
        end as missing_reason,
        last_answered_at,
        answer_day_count,
        {% for kind in standards %}
        {{ kind }}_latest,
        {{ kind }}_latest_at,
        {{ kind }}_mean,
        {{ kind }}_change,
        {{ kind }}_answer_count,
        {% endfor %}
        complaint_count,
        unresolved_case_count,
        overdue_case_count,
        unresolved_since,
        promise_due_count,
        promise_missed_count,
        buys_again,
        tries_new,
        tells_others,
        answers_surveys,
        case
            when may_be_scored
                then buys_again and tries_new and tells_others and answers_surveys
        end as is_advocate,
        {{ as_of() }} as as_of_date
    from chosen
)

select * from final
