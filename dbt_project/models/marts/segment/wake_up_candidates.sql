{%- if not var('models') -%}
{{ no_rows() }}
{%- else -%}
with

identities as (
    select * from {{ ref('identities') }}
    where customer_id is not null
),

sleepers as (
    select
        states.customer_id,
        states.state,
        states.days_since_last_order,
        predictions.probability,
        predictions.missing_reason,
        predictions.n,
        coalesce(
            values_ahead.expected_purchase_amount, customer_values.average_order_amount
        ) as purchase_amount,
        values_ahead.margin_pct
    from {{ ref('activity_states') }} as states
    inner join {{ ref('customer_predictions') }} as predictions
        on
            states.customer_id = predictions.customer_id
            and predictions.question = 'buys_again'
    inner join {{ ref('customer_lifetime_values') }} as values_ahead
        on states.customer_id = values_ahead.customer_id
    inner join {{ ref('customer_values') }} as customer_values
        on states.customer_id = customer_values.customer_id
    where states.state in ('drowsy', 'half_asleep', 'asleep')
),

-- By which channel: what was sent, and whether it was opened or answered.
contacts as (
    select
        identities.customer_id,
        lower(contacts.channel) as channel,
        contacts.source,
        contacts.campaign_id,
        case
            when contacts.opened_at is not null or contacts.responded_at is not null
                then 1
            else 0
        end as is_noticed
    from {{ ref('feed_contacts') }} as contacts
    left join identities
        on
            contacts.identifier_type = identities.identifier_type
            and contacts.identifier_value = identities.identifier_value
    where contacts.channel is not null
),

campaign_contacts as (
    select
        contacts.source,
        contacts.campaign_id,
        contacts.channel,
        count(*) as contact_count
    from contacts
    where contacts.campaign_id is not null
    group by contacts.source, contacts.campaign_id, contacts.channel
),

campaign_costs as (
    select
        campaign_contacts.channel,
        {{ mean_amount(
            'sum(campaigns.cost_amount)', 'sum(campaign_contacts.contact_count)'
        ) }} as cost_amount
    from campaign_contacts
    inner join {{ ref('campaigns') }} as campaigns
        on
            campaign_contacts.source = campaigns.source
            and campaign_contacts.campaign_id = campaigns.campaign_id
    where campaigns.cost_amount is not null
    group by campaign_contacts.channel
),

channels as (
    select
        contacts.channel,
        sum(contacts.is_noticed) as noticed_count,
        count(*) as contact_count
    from contacts
    group by contacts.channel
),

own_contacts as (
    select
        customer_id,
        channel,
        sum(is_noticed) as noticed_count,
        count(*) as contact_count
    from contacts
    where customer_id is not null
    group by customer_id, channel
),

marketing as (
    select
        identities.customer_id,
        lower(consents.channel) as channel,
        consents.is_granted,
        row_number() over (
            partition by identities.customer_id, lower(consents.channel)
            order by
                consents.changed_at desc nulls last,
                consents.source asc nulls last,
                consents.consent_id asc nulls last
        ) as position
    from {{ ref('feed_consents') }} as consents
    inner join identities
        on
            consents.identifier_type = identities.identifier_type
            and consents.identifier_value = identities.identifier_value
    where consents.purpose = 'marketing'
),

consents_kept as (
    select count(*) > 0 as is_kept
    from {{ ref('feed_consents') }}
    where purpose = 'marketing'
),

-- Whatever covers the channel must permit it; silence permits nothing.
permitted as (
    select
        marketing.customer_id,
        channels.channel
    from channels
    inner join marketing
        on coalesce(channels.channel = marketing.channel, true)
    where marketing.position = 1
    group by marketing.customer_id, channels.channel
    having min(case when marketing.is_granted then 1 else 0 end) = 1
),

-- Of few messages the rate of all tells more: it counts as ten.
reached as (
    select
        sleepers.customer_id,
        channels.channel,
        cast(coalesce(campaign_costs.cost_amount, 0) as decimal(18, 2)) as cost_amount,
        (
            coalesce(own_contacts.noticed_count, 0)
            + 10 * cast(channels.noticed_count as double) / channels.contact_count
        ) / (coalesce(own_contacts.contact_count, 0) + 10) as noticed_share
    from sleepers
    cross join channels
    cross join consents_kept
    left join permitted
        on
            sleepers.customer_id = permitted.customer_id
            and channels.channel = permitted.channel
    left join own_contacts
        on
            sleepers.customer_id = own_contacts.customer_id
            and channels.channel = own_contacts.channel
    left join campaign_costs on channels.channel = campaign_costs.channel
    where permitted.customer_id is not null or not consents_kept.is_kept
),

channels_ranked as (
    select
        customer_id,
        channel,
        cost_amount,
        noticed_share,
        row_number() over (
            partition by customer_id
            order by
                noticed_share desc nulls last,
                cost_amount asc nulls last,
                channel asc nulls last
        ) as position
    from reached
),

-- With what: of the category that they bought most, what most customers buy now.
lines as (
    select
        order_lines.customer_id,
        order_lines.order_date,
        order_lines.product_key,
        coalesce(products.category, 'unknown') as category
    from {{ ref('order_lines') }} as order_lines
    inner join {{ ref('products') }} as products
        on order_lines.product_key = products.product_key
    where order_lines.is_purchase
),

categories_bought as (
    select
        customer_id,
        category,
        count(*) as line_count,
        max(order_date) as last_order_date
    from lines
    where customer_id != 'unidentified'
    group by customer_id, category
),

categories_ranked as (
    select
        customer_id,
        category,
        row_number() over (
            partition by customer_id
            order by
                line_count desc nulls last,
                last_order_date desc nulls last,
                category asc nulls last
        ) as position
    from categories_bought
),

products_sold as (
    select
        category,
        product_key,
        count(distinct customer_id) as customer_count
    from lines
    where order_date > {{ add_days(as_of(), '(-' ~ var('horizon_days') ~ ')') }}
    group by category, product_key
),

products_ranked as (
    select
        category,
        product_key,
        row_number() over (
            partition by category
            order by customer_count desc nulls last, product_key asc nulls last
        ) as position
    from products_sold
),

valued as (
    select
        sleepers.customer_id,
        sleepers.state,
        sleepers.days_since_last_order,
        categories_ranked.category,
        products_ranked.product_key,
        channels_ranked.channel,
        channels_ranked.noticed_share,
        sleepers.probability,
        sleepers.purchase_amount,
        sleepers.margin_pct,
        channels_ranked.cost_amount,
        cast(
            sleepers.purchase_amount * sleepers.probability
            * sleepers.margin_pct / 100.0e0 - channels_ranked.cost_amount
            as decimal(18, 2)
        ) as expected_gain_amount,
        sleepers.missing_reason,
        sleepers.n
    from sleepers
    left join channels_ranked
        on
            sleepers.customer_id = channels_ranked.customer_id
            and channels_ranked.position = 1
    left join categories_ranked
        on
            sleepers.customer_id = categories_ranked.customer_id
            and categories_ranked.position = 1
    left join products_ranked
        on
            categories_ranked.category = products_ranked.category
            and products_ranked.position = 1
),

final as (
    select
        customer_id,
        state,
        days_since_last_order,
        coalesce(expected_gain_amount > 0, false) as is_worth_waking,
        category,
        product_key,
        channel,
        noticed_share,
        probability,
        cast(purchase_amount as decimal(18, 2)) as purchase_amount,
        margin_pct,
        cost_amount,
        expected_gain_amount,
        left(md5('wake_up:' || customer_id), 2) < '33' as is_held_out,
        case
            when channel is null then 'no channel on which they permit marketing'
            when probability is null then 'buys_again: ' || missing_reason
            when expected_gain_amount is null then 'no purchase tells what one brings'
            when expected_gain_amount > 0 and cost_amount = 0
                then 'they are likely to buy, and no cost of the message is known'
            when expected_gain_amount > 0
                then 'what they are likely to bring is more than the message costs'
            else 'the message costs more than they are likely to bring'
        end as reason,
        cast({{ var('horizon_days') }} as bigint) as horizon_days,
        n,
        'purchase amount * probability * margin - cost' as method,
        {{ as_of() }} as as_of_date
    from valued
)

select * from final
{%- endif %}
