{#- Channels, as `folded` writes them, that reach who has such an identifier. -#}
{%- set address_kinds = {
    'email': 'email', 'newsletter': 'email',
    'phone': 'phone', 'call': 'phone', 'telephone': 'phone', 'mobile': 'phone',
    'sms': 'phone', 'whatsapp': 'phone',
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

members as (
    {{ tiers_of_scored() }}
),

contacts as (
    select
        identities.customer_id,
        {{ folded('contacts.channel') }} as channel,
        contacts.source,
        contacts.campaign_id,
        {{ is_noticed('contacts') }} as is_noticed
    from {{ ref('feed_contacts') }} as contacts
    left join identities
        on
            contacts.identifier_type = identities.identifier_type
            and contacts.identifier_value = identities.identifier_value
    where contacts.channel is not null
),

campaign_contacts as (
    select
        source,
        campaign_id,
        channel,
        count(*) as contact_count
    from contacts
    where campaign_id is not null
    group by source, campaign_id, channel
),

campaign_costs as (
    select
        campaign_contacts.channel,
        -- A letter costs a euro, a thousand of e-mails too.
        cast(
            cast(sum(campaigns.cost_amount) as double)
            / sum(campaign_contacts.contact_count)
            as decimal(18, 6)
        ) as cost_amount
    from campaign_contacts
    inner join {{ ref('campaigns') }} as campaigns
        on
            campaign_contacts.source = campaigns.source
            and campaign_contacts.campaign_id = campaigns.campaign_id
    where campaigns.cost_amount is not null
    group by campaign_contacts.channel
),

-- A source that never tells an opening on a channel tells nothing by its silence.
tellers as (
    select
        source,
        channel
    from contacts
    group by source, channel
    having max(is_noticed) = 1
),

own_counts as (
    select
        contacts.customer_id,
        contacts.channel,
        sum(contacts.is_noticed) as noticed_count,
        count(*) as contact_count
    from contacts
    inner join tellers
        on contacts.source = tellers.source and contacts.channel = tellers.channel
    group by contacts.customer_id, contacts.channel
),

own_totals as (
    select
        customer_id,
        sum(contact_count) as contact_count
    from own_counts
    where customer_id is not null
    group by customer_id
),

of_all as (
    select
        channel,
        sum(noticed_count) as noticed_count,
        sum(contact_count) as contact_count
    from own_counts
    group by channel
),

of_segments as (
    select
        members.segment,
        own_counts.channel,
        sum(own_counts.noticed_count) as noticed_count,
        sum(own_counts.contact_count) as contact_count
    from own_counts
    inner join members on own_counts.customer_id = members.customer_id
    group by members.segment, own_counts.channel
),

segment_totals as (
    select
        segment,
        sum(contact_count) as contact_count
    from of_segments
    group by segment
),

stated as (
    select
        customer_id,
        {{ folded('value_text') }} as channel
    from (
        {{ latest_trait('preferred_channel') }}
    ) as traits
),

marketing as (
    select
        customer_id,
        channel,
        is_granted
    from (
        {{ consents_in_force() }}
    ) as consents
    where purpose = 'marketing'
),

consents_kept as (
    select count(*) > 0 as is_kept
    from {{ ref('feed_consents') }}
    where lower(trim(purpose)) = 'marketing'
),

channels as (
    select channel from contacts
    union
    select channel from marketing
    where channel is not null
),

-- What names the channel decides, else what names none; silence permits nothing.
granted as (
    select
        marketing.customer_id,
        channels.channel
    from channels
    inner join marketing
        on coalesce(channels.channel = marketing.channel, true)
    group by marketing.customer_id, channels.channel
    having
        coalesce(
            max(
                case
                    when marketing.channel is null then null
                    when marketing.is_granted then 1
                    else 0
                end
            ),
            max(case when marketing.is_granted then 1 else 0 end)
        ) = 1
),

kinds as (
    {%- for channel, kind in address_kinds.items() %}
    select
        '{{ channel }}' as channel,
        '{{ kind }}' as identifier_type
    {{- "\n    union all" if not loop.last }}
    {%- endfor %}
),

-- What a channel needs, as far as the company knows any.
addresses as (
    select distinct
        channels.channel,
        kinds.identifier_type
    from channels
    inner join kinds on channels.channel = kinds.channel
    inner join identities on kinds.identifier_type = identities.identifier_type
),

reached as (
    select distinct
        identities.customer_id,
        addresses.channel
    from identities
    inner join addresses on identities.identifier_type = addresses.identifier_type
),

permitted as (
    select
        customers.customer_id,
        case when customers.may_be_scored then customers.customer_id end as scored_id,
        channels.channel,
        addresses.channel is null or reached.channel is not null as has_address
    from customers
    cross join channels
    cross join consents_kept
    left join granted
        on
            customers.customer_id = granted.customer_id
            and channels.channel = granted.channel
    left join addresses on channels.channel = addresses.channel
    left join reached
        on
            customers.customer_id = reached.customer_id
            and channels.channel = reached.channel
    where granted.customer_id is not null or not consents_kept.is_kept
),

counted as (
    select
        permitted.customer_id,
        permitted.channel,
        permitted.has_address,
        coalesce(stated.channel = permitted.channel, false) as is_stated,
        campaign_costs.cost_amount,
        coalesce(own_counts.noticed_count, 0) as own_noticed_count,
        coalesce(own_counts.contact_count, 0) as own_count,
        coalesce(own_totals.contact_count, 0) as own_total,
        coalesce(of_segments.noticed_count, 0) as segment_noticed_count,
        coalesce(of_segments.contact_count, 0) as segment_count,
        coalesce(segment_totals.contact_count, 0) as segment_total,
        of_all.contact_count as all_count,
        cast(of_all.noticed_count as double) / of_all.contact_count as all_share
    from permitted
    left join stated on permitted.customer_id = stated.customer_id
    left join campaign_costs on permitted.channel = campaign_costs.channel
    left join own_counts
        on
            permitted.scored_id = own_counts.customer_id
            and permitted.channel = own_counts.channel
    left join own_totals on permitted.scored_id = own_totals.customer_id
    left join members on permitted.customer_id = members.customer_id
    left join of_segments
        on
            members.segment = of_segments.segment
            and permitted.channel = of_segments.channel
    left join segment_totals on members.segment = segment_totals.segment
    left join of_all on permitted.channel = of_all.channel
),

levelled as (
    select
        *,
        case
            when all_share is null then null
            when own_total >= {{ own_minimum() }} then 'customer'
            when segment_total >= {{ group_minimum() }} then 'segment'
            else 'all'
        end as level_of_share,
        {{ shrunk('segment_noticed_count', 'segment_count', 'all_share') }}
            as segment_share
    from counted
),

shared as (
    select
        customer_id,
        channel,
        cost_amount,
        has_address,
        case level_of_share
            when 'customer'
                then {{ shrunk('own_noticed_count', 'own_count', 'segment_share') }}
            when 'segment' then segment_share
            else all_share
        end as noticed_share,
        case when is_stated then 'stated' else level_of_share end as level,
        case level_of_share
            when 'customer' then own_count
            when 'segment' then segment_count
            when 'all' then all_count
            else 0
        end as n
    from levelled
),

final as (
    select
        customer_id,
        channel,
        cost_amount,
        noticed_share,
        level,
        cast(n as bigint) as n,
        has_address,
        cast(
            row_number() over (
                partition by customer_id
                order by
                    case when has_address then 0 else 1 end nulls last,
                    case when level = 'stated' then 0 else 1 end nulls last,
                    noticed_share desc nulls last,
                    coalesce(cost_amount, 0) asc nulls last,
                    channel asc nulls last
            ) as bigint
        ) as position
    from shared
)

select * from final
