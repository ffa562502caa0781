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
        birth_date,
        account_id,
        account_id_source,
        {{ may_be_scored('may_be_profiled') }} as may_be_scored
    from {{ ref('customers') }}
    where customer_id != 'unidentified'
),

identities as (
    select * from {{ ref('identities') }}
    where customer_id is not null
),

members as (
    {{ tiers_of_scored() }}
),

channels as (
    select * from {{ ref('int_contact_channels') }}
    where position = 1
),

contacts as (
    select
        identities.customer_id,
        contacts.source,
        contacts.contact_id,
        {{ folded('contacts.channel') }} as channel,
        contacts.sent_at,
        {{ business_date('contacts.sent_at') }} as sent_on,
        {{ business_hour('contacts.sent_at') }} as sent_hour,
        {{ is_noticed('contacts') }} as is_noticed
    from {{ ref('feed_contacts') }} as contacts
    left join identities
        on
            contacts.identifier_type = identities.identifier_type
            and contacts.identifier_value = identities.identifier_value
),

-- At what hour ------------------------------------------------------------------------

-- Of a channel that a source times by days, or whose openings it never tells, nothing
-- can be learnt.
tellers as (
    select
        source,
        channel
    from contacts
    group by source, channel
    having
        max(is_noticed) = 1
        and max(
            case
                when sent_hour != 0 and sent_at != date_trunc('day', sent_at) then 1
                else 0
            end
        ) = 1
),

own_hours as (
    select
        contacts.customer_id,
        contacts.sent_hour,
        sum(contacts.is_noticed) as noticed_count,
        count(*) as contact_count
    from contacts
    inner join tellers
        on
            contacts.source = tellers.source
            and coalesce(contacts.channel, '') = coalesce(tellers.channel, '')
    group by contacts.customer_id, contacts.sent_hour
),

-- Three hours each, none of them quiet.
bands as (
    {%- for band in rules.bands %}
    select {{ band }} as hour_from
    {{- "\n    union all" if not loop.last }}
    {%- endfor %}
),

all_bands as (
    select
        bands.hour_from,
        sum(own_hours.noticed_count) as noticed_count,
        sum(own_hours.contact_count) as contact_count
    from own_hours
    inner join bands
        on
            own_hours.sent_hour >= bands.hour_from
            and own_hours.sent_hour < bands.hour_from + 3
    group by bands.hour_from
),

all_total as (
    select
        sum(contact_count) as contact_count,
        cast(sum(noticed_count) as double) / sum(contact_count) as share
    from own_hours
),

all_shares as (
    select
        bands.hour_from,
        all_total.contact_count as total_count,
        {{ shrunk(
            'coalesce(all_bands.noticed_count, 0)',
            'coalesce(all_bands.contact_count, 0)',
            'all_total.share'
        ) }} as noticed_share,
        coalesce(all_bands.contact_count, 0) as contact_count
    from bands
    cross join all_total
    left join all_bands on bands.hour_from = all_bands.hour_from
),

segment_hours as (
    select
        members.segment,
        own_hours.sent_hour,
        sum(own_hours.noticed_count) as noticed_count,
        sum(own_hours.contact_count) as contact_count
    from own_hours
    inner join members on own_hours.customer_id = members.customer_id
    group by members.segment, own_hours.sent_hour
),

segment_totals as (
    select
        segment,
        sum(contact_count) as total_count
    from segment_hours
    group by segment
    having sum(contact_count) >= {{ group_minimum() }}
),

segment_bands as (
    select
        segment_hours.segment,
        bands.hour_from,
        sum(segment_hours.noticed_count) as noticed_count,
        sum(segment_hours.contact_count) as contact_count
    from segment_hours
    inner join bands
        on
            segment_hours.sent_hour >= bands.hour_from
            and segment_hours.sent_hour < bands.hour_from + 3
    group by segment_hours.segment, bands.hour_from
),

segment_shares as (
    select
        segment_totals.segment,
        all_shares.hour_from,
        {{ shrunk(
            'coalesce(segment_bands.noticed_count, 0)',
            'coalesce(segment_bands.contact_count, 0)',
            'all_shares.noticed_share'
        ) }} as noticed_share,
        coalesce(segment_bands.contact_count, 0) as contact_count
    from segment_totals
    cross join all_shares
    left join segment_bands
        on
            segment_totals.segment = segment_bands.segment
            and all_shares.hour_from = segment_bands.hour_from
),

own_totals as (
    select
        customers.customer_id,
        sum(own_hours.contact_count) as total_count
    from own_hours
    inner join customers on own_hours.customer_id = customers.customer_id
    where customers.may_be_scored
    group by customers.customer_id
    having sum(own_hours.contact_count) >= {{ own_minimum() }}
),

own_bands as (
    select
        own_totals.customer_id,
        bands.hour_from,
        sum(own_hours.noticed_count) as noticed_count,
        sum(own_hours.contact_count) as contact_count
    from own_totals
    inner join own_hours on own_totals.customer_id = own_hours.customer_id
    inner join bands
        on
            own_hours.sent_hour >= bands.hour_from
            and own_hours.sent_hour < bands.hour_from + 3
    group by own_totals.customer_id, bands.hour_from
),

own_shares as (
    select
        own_totals.customer_id,
        all_shares.hour_from,
        {{ shrunk(
            'coalesce(own_bands.noticed_count, 0)',
            'coalesce(own_bands.contact_count, 0)',
            'coalesce(segment_shares.noticed_share, all_shares.noticed_share)'
        ) }} as noticed_share,
        coalesce(own_bands.contact_count, 0) as contact_count
    from own_totals
    cross join all_shares
    left join own_bands
        on
            own_totals.customer_id = own_bands.customer_id
            and all_shares.hour_from = own_bands.hour_from
    left join members on own_totals.customer_id = members.customer_id
    left join segment_shares
        on
            members.segment = segment_shares.segment
            and all_shares.hour_from = segment_shares.hour_from
),

{% for level, key in {
    'own': 'customer_id', 'segment': 'segment', 'all': "'all'"
}.items() %}
{{ level }}_ranked as (
    select
        {{ key }} as who,
        hour_from,
        noticed_share,
        contact_count,
        row_number() over (
            partition by {{ key }}
            order by noticed_share desc nulls last, hour_from asc nulls last
        ) as position
    from {{ level }}_shares
    {%- if level == 'all' %}
    where total_count >= {{ group_minimum() }}
    {%- endif %}
),

{{ level }}_best as (
    select * from {{ level }}_ranked
    where position = 1
),

{% endfor %}
asked as (
    select
        customer_id,
        coalesce(floor(value_number), {{ hour_of_text('value_text') }}) as hour
    from (
        {{ latest_trait('preferred_hour') }}
    ) as traits
),

-- The hour that they asked for, as near to the middle of three as the quiet hours let.
stated as (
    select
        asked.customer_id,
        bands.hour_from,
        row_number() over (
            partition by asked.customer_id
            order by
                abs(bands.hour_from + 1 - asked.hour) asc nulls last,
                bands.hour_from asc nulls last
        ) as position
    from asked
    inner join bands
        on asked.hour >= bands.hour_from and asked.hour < bands.hour_from + 3
),

hours as (
    select
        customers.customer_id,
        coalesce(
            stated.hour_from,
            own_best.hour_from,
            segment_best.hour_from,
            all_best.hour_from
        ) as hour_from,
        case
            when stated.customer_id is not null then 'stated'
            when own_best.who is not null then 'customer'
            when segment_best.who is not null then 'segment'
            when all_best.who is not null then 'all'
        end as level,
        case
            when stated.customer_id is not null then null
            when own_best.who is not null then own_best.noticed_share
            when segment_best.who is not null then segment_best.noticed_share
            else all_best.noticed_share
        end as noticed_share,
        case
            when stated.customer_id is not null then null
            when own_best.who is not null then own_best.contact_count
            when segment_best.who is not null then segment_best.contact_count
            else all_best.contact_count
        end as n
    from customers
    left join stated
        on customers.customer_id = stated.customer_id and stated.position = 1
    left join own_best on customers.customer_id = own_best.who
    left join members on customers.customer_id = members.customer_id
    left join segment_best on members.segment = segment_best.who
    left join all_best on all_best.position = 1
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
    where
        customer_id is not null
        and sent_on > {{ add_days(next_day, '(-' ~ rules.cap_days ~ ')') }}
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
    where customer_id is not null
    group by customer_id
),

complaints as (
    select
        customer_id,
        state != 'resolved'
        and count(resolved_at) over (partition by source) > 0 as is_open,
        {{ add_days(
            "coalesce(greatest(" ~ business_date('resolved_at') ~ ", opened_date), "
            ~ "opened_date)",
            rules.complaint_pause_days
        ) }} as quiet_until
    from {{ ref('complaints') }}
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

held_out as (
    select customer_id
    from sleepers
    where is_held_out
    union
    select drawn.customer_id
    from (
        {{ drawn_to_be_held_out() }}
    ) as drawn
    inner join {{ ref('campaigns') }} as campaigns
        on drawn.campaign_id = campaigns.campaign_id
    where
        {{ business_date('campaigns.starts_at') }} <= {{ next_day }}
        and coalesce(
            {{ business_date('campaigns.ends_at') }} >= {{ next_day }}, true
        )
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

-- At what price -----------------------------------------------------------------------

accounts as (
    select
        customers.customer_id,
        coalesce(records.customer_id, customers.customer_id) as account
    from customers
    left join {{ ref('int_customer_records') }} as records
        on
            customers.account_id_source = records.source
            and customers.account_id = records.customer_record_id
),

products_named as (
    select * from {{ ref('int_references_resolved') }}
    where kind = 'product'
),

quotes as (
    select
        accounts.account,
        {{ percent_of(
            'quotes.price_amount', 'quotes.quantity * products.list_price_amount'
        ) }} as price_pct,
        lower(quotes.outcome) = 'accepted' as is_won
    from {{ ref('feed_quotes') }} as quotes
    inner join identities
        on
            quotes.identifier_type = identities.identifier_type
            and quotes.identifier_value = identities.identifier_value
    inner join accounts on identities.customer_id = accounts.customer_id
    inner join products_named
        on
            quotes.source = products_named.source
            and quotes.product_id = products_named.reference_id
    inner join {{ ref('products') }} as products
        on products_named.reference_key = products.product_key
    where
        lower(quotes.outcome) in ('accepted', 'declined', 'expired')
        and quotes.price_amount > 0
        and quotes.quantity > 0
        and products.list_price_amount > 0
),

quotes_summed as (
    select
        account,
        count(case when is_won then 1 end) as won_count,
        count(case when not is_won then 1 end) as lost_count,
        {{ median('case when is_won then price_pct end') }} as won_pct,
        {{ median('case when not is_won then price_pct end') }} as lost_pct
    from quotes
    group by account
),

-- All together ------------------------------------------------------------------------

planned as (
    select
        customers.customer_id,
        channels.channel,
        channels.level as channel_level,
        channels.noticed_share as channel_noticed_share,
        channels.n as channel_n,
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
        complaining.customer_id is not null as blocks_complaint,
        coalesce(capped.free_from > {{ next_day }}, false) as blocks_cap,
        held_out.customer_id is not null as blocks_hold_out,
        coalesce(quotes_summed.won_count, 0) as quote_won_count,
        coalesce(quotes_summed.lost_count, 0) as quote_lost_count,
        quotes_summed.won_pct,
        quotes_summed.lost_pct
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
    left join accounts on customers.customer_id = accounts.customer_id
    left join quotes_summed on accounts.account = quotes_summed.account
),

judged as (
    select
        *,
        not blocks_consent
        and not blocks_complaint
        and not blocks_cap
        and not blocks_hold_out as may_be_contacted,
        case
            when
                contact_on is not null
                and not blocks_consent
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
            when has_open_complaint then 'a complaint is open; '
            when blocks_complaint then 'a complaint was closed lately; '
            else ''
        end
        || case when blocks_cap then 'they were contacted often enough; ' else '' end
        || case
            when blocks_hold_out then 'they are held out for comparison; '
            else ''
        end as reasons,
        case
            when quote_won_count + quote_lost_count = 0
                then 'no quote with price and quantity'
            when quote_won_count < 5 or quote_lost_count < 5
                then 'fewer than 5 quotes won, or lost'
            when won_pct >= lost_pct
                then 'what was lost was not dearer than what was won'
        end as price_missing_reason
    from planned
),

final as (
    select
        customer_id,
        coalesce(may_be_contacted and next_contact_on = {{ next_day }}, false)
            as is_listed,
        may_be_contacted,
        {{ names_where(
            ['consent', 'complaint', 'cap', 'hold_out'], 'blocks_{}'
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
        cast(hour_from as bigint) as hour_from,
        cast(hour_from + 3 as bigint) as hour_until,
        hour_level,
        hour_noticed_share,
        {% for sign, bound in {'-': 'low', '+': 'high'}.items() %}
        {{ wilson_bound(
            'hour_noticed_share', '(hour_n + 10.0e0)', sign
        ) }} as hour_noticed_share_{{ bound }},
        {% endfor %}
        cast(hour_n as bigint) as hour_n,
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
        case when price_missing_reason is null then won_pct end as price_from_pct,
        case when price_missing_reason is null then lost_pct end as price_until_pct,
        quote_won_count,
        quote_lost_count,
        price_missing_reason,
        'share opened or answered, with ten more as wide a level has it' as method,
        {{ as_of() }} as as_of_date
    from judged
)

select * from final
