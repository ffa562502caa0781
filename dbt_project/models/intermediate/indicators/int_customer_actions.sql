{#- Days after which a status that has no time of its own is taken as known. -#}
{%- set settling_days = 30 -%}
{%- set counts = [
    'order_count', 'return_count', 'cancelled_count', 'delivery_count',
    'late_delivery_count', 'event_count', 'session_count', 'stay_count',
    'ticket_count', 'complaint_count', 'unanswered_ticket_count',
    'late_ticket_count', 'open_ticket_count', 'answer_count', 'post_count',
    'about_us_post_count', 'negative_post_count', 'referral_count', 'contact_count',
    'opened_contact_count', 'answered_contact_count', 'promise_count',
    'kept_promise_count', 'broken_promise_count', 'quote_count',
    'accepted_quote_count', 'declined_quote_count',
] -%}
{%- set amounts = [
    'order_amount', 'discount_amount', 'returned_amount', 'cancelled_amount',
] -%}
{%- set doubles = ['stay_minutes', 'score_pct', 'sentiment'] -%}
{#- Of each kind of action the step that gives its rows, and the measures in it. -#}
{%- set actions = {
    'order': ['orders_made', [
        'order_count', 'order_amount', 'order_units', 'discount_amount',
    ]],
    'return': ['returns_made', ['return_count', 'returned_amount']],
    'cancellation': ['cancellations', ['cancelled_count', 'cancelled_amount']],
    'delivery': ['deliveries', ['delivery_count', 'late_delivery_count']],
    'event': ['events', ['event_count']],
    'session': ['sessions_begun', ['session_count']],
    'stay': ['stays', ['stay_count', 'stay_minutes']],
    'ticket': ['tickets', [
        'ticket_count', 'complaint_count', 'unanswered_ticket_count',
        'late_ticket_count', 'open_ticket_count',
    ]],
    'answer': ['answers', ['answer_count', 'score_pct']],
    'post': ['posts', [
        'post_count', 'about_us_post_count', 'negative_post_count',
        'referral_count', 'sentiment',
    ]],
    'contact': ['contacts', [
        'contact_count', 'opened_contact_count', 'answered_contact_count',
    ]],
    'promise': ['promises', [
        'promise_count', 'kept_promise_count', 'broken_promise_count',
    ]],
    'quote': ['quotes', [
        'quote_count', 'accepted_quote_count', 'declined_quote_count',
    ]],
} -%}
with

-- In UTC the end of each day.
observation_days as (
    select
        observed_on,
        {{ business_midnight(add_days('observed_on', 1)) }} as ends_at
    from {{ ref('int_observation_days') }}
),

identities as (
    select * from {{ ref('identities') }}
    where customer_id is not null
),

acts as (
    select * from {{ ref('int_words_classed') }}
    where kind = 'event_name'
),

channels as (
    select * from {{ ref('int_words_classed') }}
    where kind = 'touchpoint'
),

orders as (
    select * from {{ ref('orders') }}
    where customer_id != 'unidentified'
),

placed as (
    select * from {{ ref('int_orders_placed') }}
),

orders_seen as (
    select
        observation_days.observed_on,
        orders.customer_id,
        orders.order_date as day,
        orders.channel as touchpoint,
        orders.payment_method as detail,
        orders.is_purchase,
        orders.has_return,
        orders.quantity,
        orders.gross_amount,
        orders.discount_amount,
        orders.returned_amount,
        orders.cancelled_amount,
        orders.status_class = 'cancelled' as is_cancelled,
        placed.order_id is not null
        and (orders.status_class = 'cancelled' or orders.is_returned_whole)
        and {{ add_days(
            'greatest(orders.order_date, coalesce('
            ~ business_date('orders.delivered_at') ~ ', orders.order_date))',
            settling_days
        ) }} > observation_days.observed_on as is_unsettled,
        placed.quantity as placed_quantity,
        placed.discount_amount as placed_discount_amount,
        placed.gross_amount as placed_gross_amount,
        placed.returned_amount as placed_returned_amount,
        placed.has_return as placed_has_return,
        placed.is_purchase as placed_is_purchase
    from orders
    inner join observation_days on orders.order_date <= observation_days.observed_on
    left join placed
        on
            orders.source = placed.source
            and orders.order_id = placed.order_id
),

orders_known as (
    select
        observed_on,
        customer_id,
        day,
        touchpoint,
        detail,
        case when is_unsettled then placed_is_purchase else is_purchase end
            as is_purchase,
        case when is_unsettled then placed_has_return else has_return end
            as has_return,
        is_cancelled and not is_unsettled as is_cancelled,
        case when is_unsettled then placed_quantity else quantity end as quantity,
        case when is_unsettled then placed_discount_amount else discount_amount end
            as discount_amount,
        case when is_unsettled then placed_gross_amount else gross_amount end
            as gross_amount,
        case when is_unsettled then placed_returned_amount else returned_amount end
            as returned_amount,
        cancelled_amount
    from orders_seen
),

orders_made as (
    select
        observed_on,
        customer_id,
        day,
        touchpoint,
        detail,
        1 as order_count,
        gross_amount as order_amount,
        quantity as order_units,
        discount_amount
    from orders_known
    where is_purchase
),

returns_made as (
    select
        observed_on,
        customer_id,
        day,
        touchpoint,
        detail,
        1 as return_count,
        returned_amount
    from orders_known
    where has_return
),

cancellations as (
    select
        observed_on,
        customer_id,
        day,
        touchpoint,
        detail,
        1 as cancelled_count,
        cancelled_amount
    from orders_known
    where is_cancelled
),

deliveries as (
    select
        observation_days.observed_on,
        orders.customer_id,
        {{ business_date('orders.delivered_at') }} as day,
        orders.channel as touchpoint,
        orders.payment_method as detail,
        1 as delivery_count,
        case when orders.delivered_at > orders.promised_at then 1 else 0 end
            as late_delivery_count
    from orders
    inner join observation_days
        on
            orders.order_date <= observation_days.observed_on
            and orders.delivered_at < observation_days.ends_at
),

events as (
    select
        observation_days.observed_on,
        interactions.customer_id,
        interactions.occurred_date as day,
        interactions.channel as touchpoint,
        interactions.detail,
        acts.meaning as act,
        1 as event_count
    from {{ ref('interactions') }} as interactions
    inner join observation_days
        on interactions.occurred_date <= observation_days.observed_on
    left join acts on interactions.detail = acts.word
    where
        interactions.interaction_kind = 'event'
        and interactions.customer_id is not null
),

-- How long a session becomes nobody knows while it lasts: it counts, no more.
sessions_begun as (
    select
        observation_days.observed_on,
        sessions.customer_id,
        {{ business_date('sessions.started_at') }} as day,
        sessions.first_touchpoint as touchpoint,
        cast(null as string) as detail,
        1 as session_count
    from {{ ref('sessions') }} as sessions
    inner join observation_days on sessions.started_at < observation_days.ends_at
    where sessions.customer_id is not null
),

-- Minutes count once the stay is over for certain.
stays as (
    select
        observation_days.observed_on,
        identities.customer_id,
        {{ business_date('stays.occurred_at') }} as day,
        'presence' as touchpoint,
        stays.place_id as detail,
        1 as stay_count,
        case
            when
                stays.ended_at + interval '{{ var("stay_pause_minutes") }}' minute
                < observation_days.ends_at
                then 60 * {{ hours_between('stays.occurred_at', 'stays.ended_at') }}
        end as stay_minutes
    from {{ ref('int_stays') }} as stays
    inner join identities
        on
            stays.identifier_type = identities.identifier_type
            and stays.identifier_value = identities.identifier_value
    inner join observation_days on stays.occurred_at < observation_days.ends_at
),

-- A source that has told no first response until then tells none.
tickets_seen as (
    select
        observation_days.observed_on,
        observation_days.ends_at,
        complaints.customer_id,
        complaints.opened_date as day,
        complaints.channel as touchpoint,
        complaints.kind as detail,
        complaints.is_complaint,
        complaints.opened_at,
        case
            when
                least(complaints.first_response_at, complaints.resolved_at)
                < observation_days.ends_at
                then least(complaints.first_response_at, complaints.resolved_at)
        end as answered_at,
        coalesce(complaints.resolved_at < observation_days.ends_at, false)
            as is_resolved,
        coalesce(
            min(complaints.first_response_at) over (
                partition by complaints.source, observation_days.observed_on
            ) < observation_days.ends_at,
            false
        ) as tells_first_responses
    from {{ ref('complaints') }} as complaints
    inner join observation_days on complaints.opened_at < observation_days.ends_at
),

tickets as (
    select
        observed_on,
        customer_id,
        day,
        touchpoint,
        detail,
        1 as ticket_count,
        case when is_complaint then 1 else 0 end as complaint_count,
        case when tells_first_responses and answered_at is null then 1 else 0 end
            as unanswered_ticket_count,
        case
            when
                tells_first_responses
                and {{ hours_between('opened_at', 'coalesce(answered_at, ends_at)') }}
                > {{ var('complaint_response_hours') }}
                then 1
            else 0
        end as late_ticket_count,
        case when is_resolved then 0 else 1 end as open_ticket_count
    from tickets_seen
    where customer_id is not null
),

scales as (
    select
        answers.identifier_type,
        answers.identifier_value,
        answers.answered_at,
        answers.measure,
        answers.touchpoint,
        answers.score,
        coalesce(
            answers.scale_min,
            case
                when answers.measure = 'nps' then 0
                when answers.measure in ('csat', 'ces') then 1
            end
        ) as scale_min,
        coalesce(
            answers.scale_max,
            case answers.measure
                when 'nps' then 10
                when 'csat' then 5
                when 'ces' then 7
            end
        ) as scale_max
    from {{ ref('feed_survey_answers') }} as answers
    where answers.score is not null
),

answers as (
    select
        observation_days.observed_on,
        identities.customer_id,
        {{ business_date('scales.answered_at') }} as day,
        scales.touchpoint,
        scales.measure as detail,
        1 as answer_count,
        100 * (scales.score - scales.scale_min)
        / (scales.scale_max - scales.scale_min) as score_pct
    from scales
    inner join identities
        on
            scales.identifier_type = identities.identifier_type
            and scales.identifier_value = identities.identifier_value
    inner join observation_days on scales.answered_at < observation_days.ends_at
    where scales.scale_max > scales.scale_min
),

posts as (
    select
        observation_days.observed_on,
        identities.customer_id,
        {{ business_date('posts.posted_at') }} as day,
        posts.platform as touchpoint,
        posts.topic as detail,
        1 as post_count,
        case when posts.is_about_us then 1 else 0 end as about_us_post_count,
        case when posts.sentiment < 0 then 1 else 0 end as negative_post_count,
        case when posts.referred_identifier is not null then 1 else 0 end
            as referral_count,
        posts.sentiment
    from {{ ref('feed_posts') }} as posts
    inner join identities
        on
            posts.identifier_type = identities.identifier_type
            and posts.identifier_value = identities.identifier_value
    inner join observation_days on posts.posted_at < observation_days.ends_at
),

contacts as (
    select
        observation_days.observed_on,
        identities.customer_id,
        {{ business_date('contacts.sent_at') }} as day,
        contacts.channel as touchpoint,
        contacts.purpose as detail,
        1 as contact_count,
        case when contacts.opened_at < observation_days.ends_at then 1 else 0 end
            as opened_contact_count,
        case when contacts.responded_at < observation_days.ends_at then 1 else 0 end
            as answered_contact_count
    from {{ ref('feed_contacts') }} as contacts
    inner join identities
        on
            contacts.identifier_type = identities.identifier_type
            and contacts.identifier_value = identities.identifier_value
    inner join observation_days on contacts.sent_at < observation_days.ends_at
),

-- A promise that was kept too late was broken when it was due. Whether one is due to
-- the instant or by the end of a day, the mart says.
promises as (
    select
        observation_days.observed_on,
        promises.customer_id,
        promises.promised_date as day,
        cast(null as string) as touchpoint,
        promises.kind as detail,
        1 as promise_count,
        case
            when
                promises.state != 'unknown'
                and promises.kept_at < observation_days.ends_at
                and coalesce(promises.is_kept_in_time, true)
                then 1
            else 0
        end as kept_promise_count,
        case
            when
                promises.state != 'unknown'
                and (
                    promises.deadline_at < observation_days.ends_at
                    or promises.deadline_at = observation_days.ends_at
                    and promises.deadline_at > promises.due_at
                )
                and (promises.kept_at is null or not promises.is_kept_in_time)
                then 1
            else 0
        end as broken_promise_count
    from {{ ref('promises') }} as promises
    inner join observation_days
        on promises.promised_date <= observation_days.observed_on
    where promises.customer_id is not null
),

quotes as (
    select
        observation_days.observed_on,
        identities.customer_id,
        {{ business_date('quotes.quoted_at') }} as day,
        cast(null as string) as touchpoint,
        cast(null as string) as detail,
        1 as quote_count,
        case
            when
                quotes.decided_at < observation_days.ends_at
                and quotes.outcome = 'accepted'
                then 1
            else 0
        end as accepted_quote_count,
        case
            when
                quotes.decided_at < observation_days.ends_at
                and quotes.outcome = 'declined'
                then 1
            else 0
        end as declined_quote_count
    from {{ ref('feed_quotes') }} as quotes
    inner join identities
        on
            quotes.identifier_type = identities.identifier_type
            and quotes.identifier_value = identities.identifier_value
    inner join observation_days on quotes.quoted_at < observation_days.ends_at
),

all_actions as (
    {% for kind, (step, measures) in actions.items() %}
    select
        observed_on,
        customer_id,
        '{{ kind }}' as kind,
        day,
        touchpoint,
        detail,
        cast({{ 'act' if kind == 'event' else 'null' }} as string) as act,
        {% for name in counts %}
        cast({{ name if name in measures else 'null' }} as bigint) as {{ name }},
        {% endfor %}
        {% for name in amounts %}
        cast({{ name if name in measures else 'null' }} as decimal(18, 2))
            as {{ name }},
        {% endfor %}
        {% for name in doubles %}
        cast({{ name if name in measures else 'null' }} as double) as {{ name }},
        {% endfor %}
        cast(
            {{ 'order_units' if 'order_units' in measures else 'null' }}
            as decimal(18, 3)
        ) as order_units
    from {{ step }}
    {{ "union all" if not loop.last }}
    {% endfor %}
),

final as (
    select
        all_actions.observed_on,
        all_actions.customer_id,
        all_actions.kind,
        all_actions.day,
        cast({{ days_between('all_actions.day', 'all_actions.observed_on') }} as bigint)
            as age_days,
        coalesce(channels.meaning, 'unknown') as channel,
        all_actions.touchpoint,
        all_actions.detail,
        all_actions.act,
        {% for name in counts + amounts + doubles %}
        all_actions.{{ name }},
        {% endfor %}
        all_actions.order_units
    from all_actions
    left join channels on all_actions.touchpoint = channels.word
)

select * from final
