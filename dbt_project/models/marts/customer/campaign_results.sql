{#- Days before a purchase within which a touch has a share in it, and those after which
    it weighs half as much. -#}
{%- set look_back_days = 30 -%}
{%- set half_life_days = 7 -%}
{#- What is compared with who was held out, and what the difference is called. -#}
{%- set measures = {
    'purchase_count': 'purchase_uplift', 'revenue_amount': 'revenue_uplift',
} -%}
{%- set credits = ['first', 'last', 'linear', 'time_decay'] -%}
{%- set counts = [
    'contact_count', 'unidentified_contact_count', 'reached_count', 'opened_count',
    'responded_count', 'response_known_count', 'led_event_count', 'touched_purchase_count',
] -%}
with

campaigns as (
    select * from {{ ref('campaigns') }}
),

identities as (
    select * from {{ ref('identities') }}
    where customer_id is not null
),

campaign_references as (
    select * from {{ ref('int_references_resolved') }}
    where kind = 'campaign'
),

orders as (
    select * from {{ ref('orders') }}
),

purchases as (
    select
        source,
        order_id,
        customer_id,
        ordered_at,
        order_date,
        revenue_amount
    from orders
    where is_purchase and customer_id != 'unidentified'
),

-- What was sent. Where nothing that a source sent by a channel was ever opened, or
-- answered, nobody notes it there.
contacts as (
    select
        campaign_references.reference_key as campaign_key,
        identities.customer_id,
        sent.sent_at,
        {{ business_date('sent.sent_at') }} as day,
        'contact ' || sent.source || ' ' || sent.contact_id as touch,
        case
            when max(sent.opened_at) over of_channel is not null
                then case when sent.opened_at is not null then 1 else 0 end
        end as is_opened,
        case
            when max(sent.responded_at) over of_channel is not null
                then case when sent.responded_at is not null then 1 else 0 end
        end as is_answered
    from {{ ref('feed_contacts') }} as sent
    inner join campaign_references
        on
            sent.source = campaign_references.source
            and sent.campaign_id = campaign_references.reference_id
    left join identities
        on
            sent.identifier_type = identities.identifier_type
            and sent.identifier_value = identities.identifier_value
    window of_channel as (partition by sent.source, {{ folded('sent.channel') }})
),

led_events as (
    select
        campaign_references.reference_key as campaign_key,
        identities.customer_id,
        led.occurred_at,
        {{ business_date('led.occurred_at') }} as day,
        'event ' || led.source || ' ' || led.event_id as touch
    from {{ ref('feed_events') }} as led
    inner join campaign_references
        on
            led.source = campaign_references.source
            and led.campaign_id = campaign_references.reference_id
    left join identities
        on
            led.identifier_type = identities.identifier_type
            and led.identifier_value = identities.identifier_value
),

-- Credit: each purchase is divided among the touches before it. ----------------------

touches as (
    select
        campaign_key,
        customer_id,
        sent_at as touched_at,
        touch
    from contacts
    where customer_id is not null
    union all
    select
        campaign_key,
        customer_id,
        occurred_at as touched_at,
        touch
    from led_events
    where customer_id is not null
),

-- By spans as long as the look-back: a touch may count in its own and in the next one.
touches_spanned as (
    {% for later in [0, 1] %}
    select
        campaign_key,
        customer_id,
        touched_at,
        touch,
        floor({{ epoch_seconds('touched_at') }} / {{ 86400 * look_back_days }})
        + {{ later }} as span
    from touches
    {{ "union all" if not loop.last }}
    {% endfor %}
),

purchases_spanned as (
    select
        *,
        floor({{ epoch_seconds('ordered_at') }} / {{ 86400 * look_back_days }}) as span
    from purchases
),

touched as (
    select
        purchases_spanned.source,
        purchases_spanned.order_id,
        purchases_spanned.order_date,
        cast(100 * purchases_spanned.revenue_amount as double) as cents,
        touches_spanned.campaign_key,
        touches_spanned.touched_at,
        touches_spanned.touch,
        cast(
            power(
                2,
                (
                    {{ epoch_seconds('touches_spanned.touched_at') }}
                    - {{ epoch_seconds('purchases_spanned.ordered_at') }}
                ) / {{ 86400 * half_life_days }}.0e0
            ) as decimal(18, 12)
        ) as weight
    from purchases_spanned
    inner join touches_spanned
        on
            purchases_spanned.customer_id = touches_spanned.customer_id
            and purchases_spanned.span = touches_spanned.span
    where
        touches_spanned.touched_at < purchases_spanned.ordered_at
        and touches_spanned.touched_at
        >= purchases_spanned.ordered_at - interval '{{ look_back_days }}' day
),

numbered as (
    select
        source,
        order_id,
        order_date,
        cents,
        campaign_key,
        count(*) over of_order as number,
        count(*) over (partition by source, order_id) as touch_count,
        cast(sum(weight) over of_order as double) as weight_so_far,
        cast((sum(weight) over of_order) - weight as double) as weight_before,
        cast(sum(weight) over (partition by source, order_id) as double)
            as weight_of_all
    from touched
    window of_order as (
        partition by source, order_id
        order by touched_at nulls last, touch nulls last
        rows between unbounded preceding and current row
    )
),

-- In whole cents, each share from what is given so far to what is given with it: the
-- shares of a purchase add up to it, as long as both are of exact sums.
shared as (
    select
        source,
        order_id,
        campaign_key,
        order_date as day,
        case when number = 1 then round(cents) else 0 end as first_cents,
        case when number = touch_count then round(cents) else 0 end as last_cents,
        round(cents * number / touch_count)
        - round(cents * (number - 1) / touch_count) as linear_cents,
        round(cents * (weight_so_far / weight_of_all))
        - round(cents * (weight_before / weight_of_all)) as time_decay_cents
    from numbered
),

credited as (
    select
        source,
        order_id,
        campaign_key,
        {% for credit in credits %}
        cast(sum({{ credit }}_cents) as decimal(18, 0)) * cast(0.01 as decimal(2, 2))
            as {{ credit }}_amount,
        {% endfor %}
        day
    from shared
    group by source, order_id, campaign_key, day
),

-- By period: the whole campaign, and each month. ------------------------------------

periods as (
    select 'all' as period_grain
    union all
    select 'month' as period_grain
),

-- What adds up over months. What no campaign has a share in is unattributed: credits
-- then add up to the revenue of all orders.
monthly as (
    select
        campaign_key,
        {{ month_of('day') }} as month,
        {% for credit in credits %}
        sum({{ credit }}_amount) as {{ credit }}_amount,
        {% endfor %}
        0 as led_event_count,
        count(*) as touched_purchase_count
    from credited
    group by campaign_key, {{ month_of('day') }}
    union all
    select
        'unattributed' as campaign_key,
        {{ month_of('day') }} as month,
        {% for credit in credits %}
        -sum({{ credit }}_amount) as {{ credit }}_amount,
        {% endfor %}
        0 as led_event_count,
        0 as touched_purchase_count
    from credited
    group by {{ month_of('day') }}
    union all
    select
        'unattributed' as campaign_key,
        {{ month_of('order_date') }} as month,
        {% for credit in credits %}
        sum(revenue_amount) as {{ credit }}_amount,
        {% endfor %}
        0 as led_event_count,
        0 as touched_purchase_count
    from orders
    group by {{ month_of('order_date') }}
    union all
    select
        campaign_key,
        {{ month_of('day') }} as month,
        {% for credit in credits %}
        0 as {{ credit }}_amount,
        {% endfor %}
        count(*) as led_event_count,
        0 as touched_purchase_count
    from led_events
    group by campaign_key, {{ month_of('day') }}
    union all
    select
        campaign_key,
        cast(null as date) as month,
        {% for credit in credits %}
        0 as {{ credit }}_amount,
        {% endfor %}
        0 as led_event_count,
        0 as touched_purchase_count
    from campaigns
),

reached as (
    select
        contacts.campaign_key,
        periods.period_grain,
        case periods.period_grain when 'month' then {{ month_of('contacts.day') }} end
            as period_start,
        contacts.customer_id,
        count(*) as contact_count,
        max(contacts.is_opened) as is_opened,
        max(contacts.is_answered) as is_answered
    from contacts
    cross join periods
    group by
        contacts.campaign_key, periods.period_grain, period_start, contacts.customer_id
),

measured as (
    select
        monthly.campaign_key,
        periods.period_grain,
        case periods.period_grain when 'month' then monthly.month end as period_start,
        0 as contact_count,
        0 as unidentified_contact_count,
        0 as reached_count,
        cast(null as bigint) as opened_count,
        cast(null as bigint) as responded_count,
        cast(null as bigint) as response_known_count,
        {% for credit in credits %}
        monthly.{{ credit }}_amount,
        {% endfor %}
        monthly.led_event_count,
        monthly.touched_purchase_count
    from monthly
    cross join periods
    where periods.period_grain = 'all' or monthly.month is not null
    union all
    select
        campaign_key,
        period_grain,
        period_start,
        sum(contact_count) as contact_count,
        sum(case when customer_id is null then contact_count else 0 end)
            as unidentified_contact_count,
        count(customer_id) as reached_count,
        sum(case when customer_id is not null then is_opened end) as opened_count,
        sum(case when customer_id is not null then is_answered end)
            as responded_count,
        nullif(
            count(case when customer_id is not null then is_answered end), 0
        ) as response_known_count,
        {% for credit in credits %}
        0 as {{ credit }}_amount,
        {% endfor %}
        0 as led_event_count,
        0 as touched_purchase_count
    from reached
    group by campaign_key, period_grain, period_start
),

summed as (
    select
        campaign_key,
        period_grain,
        {% for count in counts %}
        cast(
            sum(case when campaign_key != 'unattributed' then {{ count }} end) as bigint
        ) as {{ count }},
        {% endfor %}
        {% for credit in credits %}
        cast(sum({{ credit }}_amount) as decimal(18, 2)) as {{ credit }}_amount,
        {% endfor %}
        period_start
    from measured
    group by campaign_key, period_grain, period_start
),

-- Uplift: who was to be left alone, and who was reached. -----------------------------

held_out as (
    {{ held_out_of_campaigns() }}
),

-- By the draw, not by what was sent: who was held out and reached all the same counts
-- as held out.
assigned as (
    select
        campaign_key,
        customer_id,
        max(is_held_out) as is_held_out,
        min(is_held_out) as is_only_held_out
    from (
        select
            campaign_key,
            customer_id,
            0 as is_held_out
        from contacts
        where customer_id is not null
        union all
        select
            campaign_key,
            customer_id,
            1 as is_held_out
        from held_out
    ) as both_groups
    group by campaign_key, customer_id
),

windows as (
    {{ campaign_windows() }}
),

assigned_in_windows as (
    select
        assigned.campaign_key,
        assigned.customer_id,
        assigned.is_held_out,
        assigned.is_only_held_out,
        windows.starts_at,
        windows.ends_at
    from assigned
    inner join windows on assigned.campaign_key = windows.campaign_key
),

bought as (
    select
        assigned_in_windows.campaign_key,
        assigned_in_windows.customer_id,
        count(*) as purchase_count,
        sum(purchases.revenue_amount) as revenue_amount
    from assigned_in_windows
    inner join purchases on assigned_in_windows.customer_id = purchases.customer_id
    where
        purchases.ordered_at >= assigned_in_windows.starts_at
        and purchases.ordered_at < assigned_in_windows.ends_at
    group by assigned_in_windows.campaign_key, assigned_in_windows.customer_id
),

outcomes as (
    select
        assigned.campaign_key,
        assigned.is_held_out,
        assigned.is_held_out - assigned.is_only_held_out as is_held_out_reached,
        bought.customer_id is not null as has_bought,
        coalesce(bought.purchase_count, 0) as purchase_count,
        cast(coalesce(bought.revenue_amount, 0) as decimal(18, 2)) as revenue_amount
    from assigned
    left join bought
        on
            assigned.campaign_key = bought.campaign_key
            and assigned.customer_id = bought.customer_id
),

group_sums as (
    select
        campaign_key,
        is_held_out,
        count(*) as n,
        count(*) filter (where has_bought) as bought_count,
        sum(is_held_out_reached) as held_out_reached_count,
        sum(purchase_count) as purchase_count,
        sum(purchase_count * purchase_count) as purchase_count_squares,
        sum(revenue_amount) as revenue_amount,
        sum(revenue_amount * revenue_amount) as revenue_amount_squares
    from outcomes
    group by campaign_key, is_held_out
),

-- Of each group the mean, and the square of its standard error.
group_means as (
    select
        campaign_key,
        is_held_out,
        {% for measure in measures %}
        cast({{ measure }} as double) / n as {{ measure }}_mean,
        greatest(
            cast({{ measure }}_squares as double)
            - power(cast({{ measure }} as double), 2) / n,
            0
        ) / nullif(n - 1, 0) / n as {{ measure }}_error,
        {% endfor %}
        n,
        bought_count,
        held_out_reached_count
    from group_sums
),

-- The degrees of freedom are those of Welch and Satterthwaite.
groups_compared as (
    select
        windows.campaign_key,
        windows.ends_at,
        {% for measure in measures %}
        reached.{{ measure }}_mean - held_out.{{ measure }}_mean
            as {{ measure }}_difference,
        reached.{{ measure }}_error + held_out.{{ measure }}_error
            as {{ measure }}_error,
        power(reached.{{ measure }}_error + held_out.{{ measure }}_error, 2)
        / nullif(
            power(reached.{{ measure }}_error, 2) / nullif(reached.n - 1, 0)
            + power(held_out.{{ measure }}_error, 2) / nullif(held_out.n - 1, 0),
            0
        ) as {{ measure }}_freedom,
        {% endfor %}
        coalesce(reached.n, 0) as reached_n,
        coalesce(held_out.n, 0) as held_out_n,
        coalesce(held_out.held_out_reached_count, 0) as held_out_reached_count,
        coalesce(reached.bought_count, 0) as bought_count,
        coalesce(held_out.bought_count, 0) as held_out_bought_count
    from windows
    left join group_means as reached
        on windows.campaign_key = reached.campaign_key and reached.is_held_out = 0
    left join group_means as held_out
        on windows.campaign_key = held_out.campaign_key and held_out.is_held_out = 1
    where reached.n is not null or held_out.n is not null
),

uplifts as (
    select
        *,
        {% for measure in measures %}
        {{ student_quantile(measure ~ '_freedom') }} * sqrt({{ measure }}_error)
            as {{ measure }}_margin,
        {% endfor %}
        case
            when held_out_n = 0 then 'nobody was held out'
            when ends_at > {{ as_of_at() }} then 'the campaign is not over'
            when reached_n < {{ var('minimum_answers') }}
                then 'fewer than {{ var("minimum_answers") }} customers were reached'
            when held_out_n < {{ var('minimum_answers') }}
                then 'fewer than {{ var("minimum_answers") }} customers were held out'
            when ends_at is null then 'nobody knows when it began'
            when purchase_count_error = 0 then 'all customers bought equally often'
        end as missing_reason
    from groups_compared
),

final as (
    select
        summed.campaign_key,
        summed.period_grain,
        summed.period_start,
        campaigns.name,
        campaigns.channel,
        campaigns.starts_at,
        campaigns.ends_at,
        summed.contact_count,
        summed.unidentified_contact_count,
        summed.reached_count,
        summed.opened_count,
        summed.responded_count,
        summed.response_known_count,
        case
            when summed.response_known_count >= {{ var('minimum_answers') }}
                then
                    100 * cast(summed.responded_count as double)
                    / summed.response_known_count
        end as responded_pct,
        {% for name, sign in [('low', '-'), ('high', '+')] %}
        case
            when summed.response_known_count >= {{ var('minimum_answers') }}
                then
                    100 * {{ wilson_bound(
                        '(cast(summed.responded_count as double)'
                        ~ ' / summed.response_known_count)',
                        'cast(summed.response_known_count as double)',
                        sign,
                    ) }}
        end as responded_pct_{{ name }},
        {% endfor %}
        case
            when summed.campaign_key = 'unattributed' then 'no campaign'
            when summed.reached_count < {{ var('minimum_answers') }}
                then 'fewer than {{ var("minimum_answers") }} customers were reached'
            when summed.responded_count is null then 'nobody notes who answers'
            when summed.response_known_count < {{ var('minimum_answers') }}
                then
                    'of fewer than {{ var("minimum_answers") }} customers it is noted '
                    || 'whether they answered'
        end as response_missing_reason,
        summed.led_event_count,
        summed.touched_purchase_count,
        {% for credit in credits %}
        summed.{{ credit }}_amount,
        {% endfor %}
        case summed.period_grain when 'all' then campaigns.cost_amount end
            as cost_amount,
        uplifts.reached_n as compared_count,
        uplifts.held_out_n as held_out_count,
        cast(uplifts.held_out_reached_count as bigint) as held_out_reached_count,
        uplifts.bought_count,
        uplifts.held_out_bought_count,
        {% for measure, column in measures.items() %}
        case
            when uplifts.missing_reason is null then uplifts.{{ measure }}_difference
        end as {{ column }},
        {% for end, sign in [('low', '-'), ('high', '+')] %}
        case
            when uplifts.missing_reason is null
                then
                    uplifts.{{ measure }}_difference
                    {{ sign }} uplifts.{{ measure }}_margin
        end as {{ column }}_{{ end }},
        {% endfor %}
        {% endfor %}
        case
            when uplifts.missing_reason is not null then null
            when uplifts.purchase_count_difference > uplifts.purchase_count_margin
                then 'effective'
            when uplifts.purchase_count_difference < -uplifts.purchase_count_margin
                then 'harmful'
            when uplifts.purchase_count_difference is not null then 'not_shown'
        end as verdict,
        case
            when summed.campaign_key = 'unattributed' then 'no campaign'
            when summed.period_grain = 'month' then 'told of the whole campaign'
            when uplifts.campaign_key is null then 'nobody is known to be reached'
            else uplifts.missing_reason
        end as uplift_missing_reason,
        'purchases per customer, reached less held out, Welch' as uplift_method,
        {{ as_of() }} as as_of_date
    from summed
    left join campaigns on summed.campaign_key = campaigns.campaign_key
    left join uplifts
        on
            summed.campaign_key = uplifts.campaign_key
            and summed.period_grain = 'all'
)

select * from final
