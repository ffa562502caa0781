{%- set rules = var('contact_rules') -%}
with

customers as (
    select
        customer_id,
        {{ may_be_scored('may_be_profiled') }} as may_be_scored
    from {{ ref('customers') }}
    where customer_id != 'unidentified'
),

members as (
    {{ tiers_of_scored() }}
),

contacts as (
    select
        identities.customer_id,
        contacts.source,
        {{ folded('contacts.channel') }} as channel,
        contacts.sent_at,
        {{ business_hour('contacts.sent_at') }} as sent_hour,
        {{ is_noticed('contacts') }} as is_noticed
    from {{ ref('feed_contacts') }} as contacts
    left join {{ ref('identities') }} as identities
        on
            contacts.identifier_type = identities.identifier_type
            and contacts.identifier_value = identities.identifier_value
            and identities.customer_id is not null
),

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

final as (
    select
        customers.customer_id,
        cast(
            coalesce(
                stated.hour_from,
                own_best.hour_from,
                segment_best.hour_from,
                all_best.hour_from
            ) as bigint
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
        cast(
            case
                when stated.customer_id is not null then null
                when own_best.who is not null then own_best.contact_count
                when segment_best.who is not null then segment_best.contact_count
                else all_best.contact_count
            end as bigint
        ) as n
    from customers
    left join stated
        on customers.customer_id = stated.customer_id and stated.position = 1
    left join own_best on customers.customer_id = own_best.who
    left join members on customers.customer_id = members.customer_id
    left join segment_best on members.segment = segment_best.who
    left join all_best on all_best.position = 1
)

select * from final
