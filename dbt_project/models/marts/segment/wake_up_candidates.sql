{%- if not var('models') -%}
{{ no_rows() }}
{%- else -%}
with

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

channels as (
    select * from {{ ref('int_contact_channels') }}
    where position = 1 and has_address
),

-- With what: of the category that they bought most, what most customers buy now, of
-- what may be offered.
lines as (
    select
        order_lines.customer_id,
        order_lines.order_date,
        order_lines.product_key,
        products.may_be_offered,
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
    where
        order_date > {{ add_days(as_of(), '(-' ~ var('horizon_days') ~ ')') }}
        and may_be_offered
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
        channels.channel,
        channels.noticed_share,
        sleepers.probability,
        sleepers.purchase_amount,
        sleepers.margin_pct,
        channels.cost_amount,
        case
            when channels.channel is not null
                then cast(
                    sleepers.purchase_amount * sleepers.probability
                    * sleepers.margin_pct / 100.0e0
                    - coalesce(channels.cost_amount, 0)
                    as decimal(18, 6)
                )
        end as expected_gain_amount,
        sleepers.missing_reason,
        sleepers.n
    from sleepers
    left join channels on sleepers.customer_id = channels.customer_id
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
            when channel is null then 'no channel that reaches them permits marketing'
            when probability is null then 'buys_again: ' || missing_reason
            when expected_gain_amount is null then 'no purchase tells what one brings'
            when expected_gain_amount > 0 and cost_amount is null
                then 'they are likely to buy, and no cost of the message is known'
            when cost_amount is null
                then 'no cost of the message is known, and they are to bring nothing'
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
