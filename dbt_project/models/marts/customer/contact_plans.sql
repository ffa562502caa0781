{%- set rules = var('contact_rules') -%}
{%- set cares = [
    'promise', 'contract_end', 'birthday', 'need', 'after_sale', 'wake_up'
] -%}
{#- The day for which the plan is made. -#}
{%- set next_day = add_days(as_of(), 1) -%}
with

customers as (
    select
        customer_id,
        customer_kind,
        birth_date
    from {{ ref('customers') }}
    where customer_id != 'unidentified'
),

identities as (
    select * from {{ ref('identities') }}
    where customer_id is not null
),

channels as (
    select * from {{ ref('int_contact_channels') }}
    where position = 1
),

hours as (
    select * from {{ ref('int_contact_hours') }}
),

prices as (
    select * from {{ ref('int_price_ranges') }}
),

contacts as (
    select
        identities.customer_id,
        contacts.source,
        contacts.contact_id,
        contacts.sent_at,
        {{ business_date('contacts.sent_at') }} as sent_on
    from {{ ref('feed_contacts') }} as contacts
    inner join identities
        on
            contacts.identifier_type = identities.identifier_type
            and contacts.identifier_value = identities.identifier_value
),

-- Whether they may be contacted at all ------------------------------------------------

contacts_ranked as (
    select
        customer_id,
        sent_on,
        row_number() over (
            partition by customer_id
            order by
                sent_at desc nulls last,
                source asc nulls last,
                contact_id asc nulls last
        ) as position
    from contacts
    where sent_on > {{ add_days(next_day, '(-' ~ rules.cap_days ~ ')') }}
),

capped as (
    select
        customer_id,
        count(*) as contact_count,
        -- From this day on one more is within the cap.
        max(
            case
                when position = {{ rules.cap }}
                    then {{ add_days('sent_on', rules.cap_days) }}
            end
        ) as free_from
    from contacts_ranked
    group by customer_id
),

last_contacts as (
    select
        customer_id,
        max(sent_on) as last_contact_on
    from contacts
    group by customer_id
),

complaints as (
    select
        customer_id,
        state != 'resolved' and tells_solutions as is_open,
        {{ add_days(
            "coalesce(" ~ business_date('resolved_at') ~ ", opened_date)",
            rules.complaint_pause_days
        ) }} as quiet_until
    from (
        {{ cases_and_what_is_told() }}
    ) as cases
    where is_complaint
),

complaining as (
    select
        customer_id,
        max(case when is_open then 1 else 0 end) = 1 as is_open,
        max(quiet_until) as quiet_until
    from complaints
    where customer_id is not null
    group by customer_id
    having
        max(case when is_open then 1 else 0 end) = 1
        or max(quiet_until) > {{ next_day }}
),

sleepers as (
    select
        customer_id,
        is_held_out
    from {{ ref('wake_up_candidates') }}
    where is_worth_waking
),

drawn as (
    {{ held_out_of_campaigns() }}
),

windows as (
    {{ campaign_windows() }}
),

held_out as (
    select customer_id
    from sleepers
    where is_held_out
    union
    select drawn.customer_id
    from drawn
    inner join windows on drawn.campaign_key = windows.campaign_key
    where
        {{ business_date('windows.starts_at') }} <= {{ next_day }}
        and windows.ends_at > {{ as_of_at() }}
),

-- What care is due next ---------------------------------------------------------------

promises_due as (
    select
        customer_id,
        {{ business_date('due_at') }} as due_on
    from {{ ref('promises') }}
    where state in ('open', 'broken') and customer_id is not null
),

contract_ends_due as (
    select
        customer_id,
        {{ add_days(day_of_text('value_text'), '(-30)') }} as due_on
    from (
        {{ latest_trait('contract_ends_on') }}
    ) as traits
),

born as (
    select
        customer_id,
        birth_date,
        extract(year from {{ next_day }}) - extract(year from birth_date) as age
    from customers
    where
        birth_date <= {{ as_of() }}
        and coalesce(customer_kind != 'organisation', true)
),

-- Who was born on 29 February has their day on the 28th in other years.
birthdays_due as (
    select
        customer_id,
        case
            when {{ add_months('birth_date', '(12 * age)') }} >= {{ next_day }}
                then {{ add_months('birth_date', '(12 * age)') }}
            else {{ add_months('birth_date', '(12 * (age + 1))') }}
        end as due_on
    from born
),

needs_due as (
    select
        customer_id,
        due_on
    from {{ ref('customer_needs') }}
    where {{ is_need_to_offer_for() }}
),

purchases as (
    select
        customer_id,
        {{ business_date('max(coalesce(delivered_at, ordered_at))') }} as bought_on
    from {{ ref('orders') }}
    where is_purchase and customer_id != 'unidentified'
    group by customer_id
),

after_sales_due as (
    select
        purchases.customer_id,
        {{ add_days('purchases.bought_on', rules.after_sale_days) }} as due_on
    from purchases
    left join last_contacts on purchases.customer_id = last_contacts.customer_id
    where coalesce(last_contacts.last_contact_on <= purchases.bought_on, true)
),

wake_ups_due as (
    select
        customer_id,
        {{ next_day }} as due_on
    from sleepers
    where not is_held_out
),

cares as (
    {%- for care in cares %}
    select
        customer_id,
        '{{ care }}' as care,
        {{ loop.index }} as priority,
        due_on
    from {{ care }}s_due
    {{- "\n    union all" if not loop.last }}
    {%- endfor %}
),

-- What was due a month ago is no longer.
cares_ranked as (
    select
        customer_id,
        care,
        due_on,
        greatest(due_on, {{ next_day }}) as contact_on,
        row_number() over (
            partition by customer_id
            order by
                greatest(due_on, {{ next_day }}) asc nulls last,
                priority asc nulls last,
                due_on asc nulls last
        ) as position
    from cares
    where due_on > {{ add_days(as_of(), '(-30)') }}
),

-- All together ------------------------------------------------------------------------

planned as (
    select
        customers.customer_id,
        case when channels.has_address then channels.channel end as channel,
        case when channels.has_address then channels.level end as channel_level,
        case when channels.has_address then channels.noticed_share end
            as channel_noticed_share,
        case when channels.has_address then channels.n end as channel_n,
        hours.hour_from,
        hours.level as hour_level,
        hours.noticed_share as hour_noticed_share,
        hours.n as hour_n,
        cares_ranked.care,
        cares_ranked.due_on as care_due_on,
        cares_ranked.contact_on,
        coalesce(capped.contact_count, 0) as contact_count,
        last_contacts.last_contact_on,
        capped.free_from,
        complaining.quiet_until,
        coalesce(complaining.is_open, false) as has_open_complaint,
        channels.customer_id is null as blocks_consent,
        coalesce(not channels.has_address, false) as blocks_address,
        complaining.customer_id is not null as blocks_complaint,
        coalesce(capped.free_from > {{ next_day }}, false) as blocks_cap,
        held_out.customer_id is not null as blocks_hold_out,
        prices.price_from_pct,
        prices.price_until_pct,
        prices.quote_won_count,
        prices.quote_lost_count,
        prices.price_missing_reason
    from customers
    left join channels on customers.customer_id = channels.customer_id
    left join hours on customers.customer_id = hours.customer_id
    left join cares_ranked
        on
            customers.customer_id = cares_ranked.customer_id
            and cares_ranked.position = 1
    left join capped on customers.customer_id = capped.customer_id
    left join last_contacts on customers.customer_id = last_contacts.customer_id
    left join complaining on customers.customer_id = complaining.customer_id
    left join held_out on customers.customer_id = held_out.customer_id
    left join prices on customers.customer_id = prices.customer_id
),

judged as (
    select
        *,
        not blocks_consent
        and not blocks_address
        and not blocks_complaint
        and not blocks_cap
        and not blocks_hold_out as may_be_contacted,
        case
            when
                contact_on is not null
                and not blocks_consent
                and not blocks_address
                and not has_open_complaint
                and not blocks_hold_out
                then greatest(
                    contact_on,
                    coalesce(quiet_until, contact_on),
                    coalesce(free_from, contact_on)
                )
        end as next_contact_on,
        case
            when blocks_consent then 'no channel on which they permit marketing; '
            else ''
        end
        || case
            when blocks_address
                then 'no address or number of theirs is known on such a channel; '
            else ''
        end
        || case
            when has_open_complaint then 'a complaint is open; '
            when blocks_complaint then 'a complaint was closed lately; '
            else ''
        end
        || case when blocks_cap then 'they were contacted often enough; ' else '' end
        || case
            when blocks_hold_out then 'they are held out for comparison; '
            else ''
        end as reasons
    from planned
),

final as (
    select
        customer_id,
        coalesce(may_be_contacted and next_contact_on = {{ next_day }}, false)
            as is_listed,
        may_be_contacted,
        {{ names_where(
            ['consent', 'address', 'complaint', 'cap', 'hold_out'], 'blocks_{}'
        ) }} as blocked_by,
        case when reasons != '' then left(reasons, length(reasons) - 2) end
            as blocked_reason,
        next_contact_on,
        care,
        care_due_on,
        channel,
        channel_level,
        channel_noticed_share,
        {% for sign, bound in {'-': 'low', '+': 'high'}.items() %}
        {{ wilson_bound(
            'channel_noticed_share', '(channel_n + 10.0e0)', sign
        ) }} as channel_noticed_share_{{ bound }},
        {% endfor %}
        channel_n,
        hour_from,
        hour_from + 3 as hour_until,
        hour_level,
        hour_noticed_share,
        {% for sign, bound in {'-': 'low', '+': 'high'}.items() %}
        {{ wilson_bound(
            'hour_noticed_share', '(hour_n + 10.0e0)', sign
        ) }} as hour_noticed_share_{{ bound }},
        {% endfor %}
        hour_n,
        case
            when hour_level is null
                then
                    'fewer than {{ group_minimum() }} messages tell when they are '
                    || 'opened'
        end as hour_missing_reason,
        contact_count,
        cast({{ rules.cap }} as bigint) as contact_cap,
        cast({{ rules.cap_days }} as bigint) as contact_cap_days,
        last_contact_on,
        price_from_pct,
        price_until_pct,
        quote_won_count,
        quote_lost_count,
        price_missing_reason,
        'share opened or answered, with ten more as wide a level has it' as method,
        {{ as_of() }} as as_of_date
    from judged
)

select * from final
