{#- Traces below which nothing is inferred. -#}
{%- set least = 3 -%}
{#- Traits of the feed attributes by which somebody states what they prefer. -#}
{%- set dimensions = [
    'category', 'brand', 'price_band', 'channel', 'hour', 'contact_style'
] -%}
{#- Those that a product tells which was bought. -#}
{%- set dimensions_of_products = ['category', 'brand', 'price_band'] -%}
with

-- Traces are counted by number, which takes less than a text to compare and to keep.
customers as (
    select
        customer_id,
        row_number() over (order by customer_id nulls last) as customer_number,
        {{ may_be_scored('may_be_profiled') }} as may_be_scored
    from {{ ref('customers') }}
    where customer_id != 'unidentified'
),

identities as (
    select
        identities.identifier_type,
        identities.identifier_value,
        customers.customer_number,
        customers.may_be_scored
    from {{ ref('identities') }} as identities
    inner join customers on identities.customer_id = customers.customer_id
),

prices as (
    select
        product_key,
        sum(gross_amount) as gross_amount,
        sum(quantity) as quantity
    from {{ ref('order_lines') }}
    where
        is_purchase
        and quantity > 0
        and product_key in (
            select products.product_key
            from {{ ref('products') }} as products
            where products.list_price_amount is null
        )
    group by product_key
),

products_priced as (
    select
        products.product_key,
        products.category,
        products.brand,
        coalesce(
            products.list_price_amount,
            {{ mean_amount('prices.gross_amount', 'prices.quantity') }}
        ) as price_amount
    from {{ ref('products') }} as products
    left join prices on products.product_key = prices.product_key
),

products_ranked as (
    select
        product_key,
        category,
        brand,
        case
            when category is not null and price_amount is not null
                then
                    dense_rank() over (
                        partition by category order by price_amount nulls last
                    )
        end as price_rank
    from products_priced
),

products_counted as (
    select
        *,
        max(price_rank) over (partition by category) as price_count
    from products_ranked
),

-- Thirds of the prices in the category: products of one price are in one band.
products as (
    select
        product_key,
        category,
        brand,
        case
            when price_count < 3 then null
            when 3 * price_rank <= price_count then 'low'
            when 3 * price_rank <= 2 * price_count then 'middle'
            when price_rank <= price_count then 'high'
        end as price_band
    from products_counted
),

products_worded as (
    select
        {%- for dimension in dimensions_of_products %}
        {{ dimension }},
        lower(trim({{ dimension }})) as {{ dimension }}_word,
        {%- endfor %}
        product_key,
        row_number() over (order by product_key nulls last) as product_number
    from products
),

bought as (
    select
        customers.customer_number,
        products_worded.product_number,
        order_lines.order_date
    from {{ ref('order_lines') }} as order_lines
    inner join customers on order_lines.customer_id = customers.customer_id
    inner join products_worded
        on order_lines.product_key = products_worded.product_key
    where
        customers.may_be_scored
        and order_lines.is_purchase
        and order_lines.quantity > 0
),

bands as (
    {%- for hour in range(24) %}
    select
        {{ hour }} as hour,
        '{{ "%02d-%02d" | format(hour - hour % 3, hour - hour % 3 + 3) }}' as band
    {{- "\n    union all" if not loop.last }}
    {%- endfor %}
),

hours as (
    select
        customers.customer_number,
        3 * floor(
            cast({{ business_hour('interactions.occurred_at') }} as double) / 3
        ) as hour,
        count(*) as trace_count,
        max(interactions.occurred_date) as last_date
    from {{ ref('interactions') }} as interactions
    inner join customers on interactions.customer_id = customers.customer_id
    where
        customers.may_be_scored
        and interactions.interaction_kind in (
            'order', 'event', 'post', 'presence', 'ticket', 'survey_response'
        )
    group by
        customers.customer_number,
        3 * floor(
            cast({{ business_hour('interactions.occurred_at') }} as double) / 3
        )
),

-- `trial_count`: how often they could have shown it; NULL where each trace chooses one
-- of the values.
evidence as (
    {%- for dimension in dimensions_of_products %}
    select
        bought.customer_number,
        '{{ dimension }}' as dimension,
        products_worded.{{ dimension }}_word as choice_word,
        min(products_worded.{{ dimension }}) as choice,
        count(*) as evidence_count,
        cast(null as bigint) as trial_count,
        max(bought.order_date) as last_date
    from bought
    inner join products_worded
        on bought.product_number = products_worded.product_number
    where products_worded.{{ dimension }} is not null
    group by bought.customer_number, products_worded.{{ dimension }}_word
    union all
    {%- endfor %}
    select
        customers.customer_number,
        'channel' as dimension,
        lower(trim(orders.channel)) as choice_word,
        min(orders.channel) as choice,
        count(*) as evidence_count,
        cast(null as bigint) as trial_count,
        max(orders.order_date) as last_date
    from {{ ref('orders') }} as orders
    inner join customers on orders.customer_id = customers.customer_id
    where
        customers.may_be_scored
        and orders.is_purchase
        and orders.channel is not null
    group by customers.customer_number, lower(trim(orders.channel))
    union all
    select
        hours.customer_number,
        'hour' as dimension,
        bands.band as choice_word,
        bands.band as choice,
        hours.trace_count as evidence_count,
        cast(null as bigint) as trial_count,
        hours.last_date
    from hours
    inner join bands on hours.hour = bands.hour
    union all
    select
        identities.customer_number,
        'contact_style' as dimension,
        lower(trim(contacts.purpose)) as choice_word,
        min(contacts.purpose) as choice,
        cast(sum({{ is_noticed('contacts') }}) as bigint) as evidence_count,
        count(*) as trial_count,
        max({{ business_date('contacts.sent_at') }}) as last_date
    from {{ ref('feed_contacts') }} as contacts
    inner join identities
        on
            contacts.identifier_type = identities.identifier_type
            and contacts.identifier_value = identities.identifier_value
    where identities.may_be_scored and contacts.purpose is not null
    group by identities.customer_number, lower(trim(contacts.purpose))
),

dimensions as (
    {%- for dimension in dimensions %}
    select
        '{{ dimension }}' as dimension,
        'preferred{{ dimension | replace("_", "") }}' as attribute
    {{- "\n    union all" if not loop.last }}
    {%- endfor %}
),

statements as (
    select
        identities.customer_number,
        dimensions.dimension,
        coalesce(
            attributes.value_text,
            case
                when dimensions.dimension = 'hour' then bands.band
                else {{ written('attributes.value_number') }}
            end
        ) as choice,
        attributes.observed_at,
        attributes.source,
        attributes.attribute_id
    from {{ ref('feed_attributes') }} as attributes
    inner join dimensions
        on {{ folded('attributes.attribute') }} = dimensions.attribute
    inner join identities
        on
            attributes.identifier_type = identities.identifier_type
            and attributes.identifier_value = identities.identifier_value
    left join bands on floor(attributes.value_number) = bands.hour
),

stated as (
    select
        *,
        row_number() over (
            partition by customer_number, dimension
            order by
                observed_at desc nulls last,
                source asc nulls last,
                attribute_id asc nulls last
        ) as position
    from statements
    where choice is not null
),

stated_last as (
    select
        customer_number,
        dimension,
        choice,
        lower(trim(choice)) as choice_word
    from stated
    where position = 1
),

choices as (
    select
        coalesce(evidence.customer_number, stated.customer_number) as customer_number,
        coalesce(evidence.dimension, stated.dimension) as dimension,
        coalesce(evidence.choice_word, stated.choice_word) as choice_word,
        least(
            coalesce(evidence.choice, stated.choice),
            coalesce(stated.choice, evidence.choice)
        ) as choice,
        coalesce(evidence.evidence_count, 0) as evidence_count,
        evidence.trial_count,
        evidence.last_date,
        stated.customer_number is not null as is_stated
    from evidence
    full outer join stated_last as stated
        on
            evidence.customer_number = stated.customer_number
            and evidence.dimension = stated.dimension
            and evidence.choice_word = stated.choice_word
),

dimensions_counted as (
    select
        customer_number,
        dimension,
        cast(sum(evidence_count) as bigint) as n,
        max(evidence_count) as most_count
    from choices
    group by customer_number, dimension
),

-- Where each trace chooses one of the values, only the most frequent can stand out.
contenders as (
    select
        choices.customer_number,
        choices.dimension,
        choices.choice_word,
        choices.choice,
        choices.evidence_count,
        choices.last_date,
        choices.is_stated,
        case
            when choices.dimension = 'contact_style'
                then coalesce(choices.trial_count, 0)
            else dimensions_counted.n
        end as n
    from choices
    inner join dimensions_counted
        on
            choices.customer_number = dimensions_counted.customer_number
            and choices.dimension = dimensions_counted.dimension
    where
        choices.is_stated
        or choices.dimension = 'contact_style'
        or choices.evidence_count = dimensions_counted.most_count
),

everybody as (
    select
        dimension,
        choice_word,
        sum(evidence_count) as evidence_count,
        sum(trial_count) as trial_count
    from choices
    group by dimension, choice_word
),

shares_of_all as (
    select
        dimension,
        choice_word,
        cast(evidence_count as double) / nullif(
            coalesce(
                trial_count, sum(evidence_count) over (partition by dimension)
            ),
            0
        ) as share
    from everybody
),

shares as (
    select
        *,
        case when n > 0 then cast(evidence_count as double) / n end as share
    from contenders
),

-- Of none the lower end is 0, not what rounding leaves of it.
intervals as (
    select
        *,
        case
            when evidence_count > 0
                then {{ wilson_bound('share', 'cast(n as double)', '-') }}
            when n > 0 then 0
        end as share_low,
        {{ wilson_bound('share', 'cast(n as double)', '+') }} as share_high
    from shares
),

judged as (
    select
        *,
        is_stated or (n >= {{ least }} and evidence_count > 0) as is_told
    from intervals
),

ranked as (
    select
        *,
        row_number() over (
            partition by customer_number, dimension
            order by
                is_stated desc nulls last,
                is_told desc nulls last,
                share_low desc nulls last,
                last_date desc nulls last,
                choice_word asc nulls last
        ) as position
    from judged
),

final as (
    select
        customers.customer_id,
        ranked.dimension,
        case when ranked.is_told then ranked.choice end as preference,
        ranked.is_stated,
        case
            when ranked.is_stated then 'stated'
            when ranked.is_told and ranked.share_low > shares_of_all.share
                then 'strong'
            when ranked.is_told then 'weak'
        end as strength,
        ranked.evidence_count,
        100 * ranked.share as share_pct,
        100 * ranked.share_low as share_low_pct,
        100 * ranked.share_high as share_high_pct,
        100 * shares_of_all.share as share_of_all_pct,
        ranked.last_date as last_seen_date,
        case
            when ranked.is_told then null
            when ranked.n < {{ least }}
                then 'fewer than {{ least }} traces tell it'
            else 'none of what was sent was opened or answered'
        end as missing_reason,
        ranked.n,
        case
            when ranked.is_stated then 'stated by the customer'
            when ranked.dimension = 'contact_style'
                then 'opened or answered / sent, Wilson 95 %'
            else 'traces with it / traces that tell one, Wilson 95 %'
        end as method,
        {{ as_of() }} as as_of_date
    from ranked
    inner join customers on ranked.customer_number = customers.customer_number
    inner join shares_of_all
        on
            ranked.dimension = shares_of_all.dimension
            and ranked.choice_word = shares_of_all.choice_word
    where ranked.position = 1
)

select * from final
