{#- Traces below which nothing is inferred. -#}
{%- set least = 3 -%}
{#- Traits of the feed attributes by which somebody states what they prefer. -#}
{%- set dimensions = [
    'category', 'brand', 'price_band', 'channel', 'hour', 'contact_style'
] -%}
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

prices as (
    select
        product_key,
        sum(gross_amount) as gross_amount,
        sum(quantity) as quantity
    from {{ ref('order_lines') }}
    where is_purchase and quantity > 0
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

lines as (
    select
        customer_id,
        product_key,
        count(*) as line_count,
        max(order_date) as last_date
    from {{ ref('order_lines') }}
    where is_purchase and quantity > 0
    group by customer_id, product_key
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
        customer_id,
        {{ business_hour('occurred_at') }} as hour,
        count(*) as trace_count,
        max(occurred_date) as last_date
    from {{ ref('interactions') }}
    where
        customer_id is not null
        and interaction_kind in (
            'order', 'event', 'post', 'presence', 'ticket', 'survey_response'
        )
    group by customer_id, {{ business_hour('occurred_at') }}
),

-- `trial_count`: how often they could have shown it; NULL where each trace chooses one
-- of the values.
evidence as (
    {%- for dimension in ['category', 'brand', 'price_band'] %}
    select
        lines.customer_id,
        '{{ dimension }}' as dimension,
        products.{{ dimension }} as choice,
        lines.line_count as evidence_count,
        cast(null as bigint) as trial_count,
        lines.last_date
    from lines
    inner join products on lines.product_key = products.product_key
    where products.{{ dimension }} is not null
    union all
    {%- endfor %}
    select
        customer_id,
        'channel' as dimension,
        channel as choice,
        1 as evidence_count,
        cast(null as bigint) as trial_count,
        order_date as last_date
    from {{ ref('orders') }}
    where is_purchase and channel is not null
    union all
    select
        hours.customer_id,
        'hour' as dimension,
        bands.band as choice,
        hours.trace_count as evidence_count,
        cast(null as bigint) as trial_count,
        hours.last_date
    from hours
    inner join bands on hours.hour = bands.hour
    union all
    select
        identities.customer_id,
        'contact_style' as dimension,
        contacts.purpose as choice,
        {{ is_noticed('contacts') }} as evidence_count,
        1 as trial_count,
        {{ business_date('contacts.sent_at') }} as last_date
    from {{ ref('feed_contacts') }} as contacts
    inner join identities
        on
            contacts.identifier_type = identities.identifier_type
            and contacts.identifier_value = identities.identifier_value
    where contacts.purpose is not null
),

statements as (
    select
        identities.customer_id,
        case {{ folded('attributes.attribute') }}
            {%- for dimension in dimensions %}
            when 'preferred{{ dimension | replace("_", "") }}' then '{{ dimension }}'
            {%- endfor %}
        end as dimension,
        coalesce(
            attributes.value_text,
            case
                when {{ folded('attributes.attribute') }} = 'preferredhour'
                    then bands.band
                else {{ written('attributes.value_number') }}
            end
        ) as choice,
        attributes.observed_at,
        attributes.source,
        attributes.attribute_id
    from {{ ref('feed_attributes') }} as attributes
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
            partition by customer_id, dimension
            order by
                observed_at desc nulls last,
                source asc nulls last,
                attribute_id asc nulls last
        ) as position
    from statements
    where dimension is not null and choice is not null
),

known as (
    select
        evidence.customer_id,
        evidence.dimension,
        evidence.choice,
        evidence.evidence_count,
        evidence.trial_count,
        evidence.last_date,
        0 as statement_count
    from evidence
    inner join customers on evidence.customer_id = customers.customer_id
    where customers.may_be_scored
    union all
    select
        customer_id,
        dimension,
        choice,
        0 as evidence_count,
        cast(null as bigint) as trial_count,
        cast(null as date) as last_date,
        1 as statement_count
    from stated
    where position = 1
),

choices as (
    select
        customer_id,
        dimension,
        lower(trim(choice)) as choice_word,
        min(choice) as choice,
        cast(sum(evidence_count) as bigint) as evidence_count,
        cast(sum(trial_count) as bigint) as trial_count,
        max(last_date) as last_date,
        max(statement_count) = 1 as is_stated
    from known
    group by customer_id, dimension, lower(trim(choice))
),

dimensions_counted as (
    select
        customer_id,
        dimension,
        cast(sum(evidence_count) as bigint) as n,
        max(evidence_count) as most_count
    from choices
    group by customer_id, dimension
),

-- Where each trace chooses one of the values, only the most frequent can stand out.
contenders as (
    select
        choices.customer_id,
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
            choices.customer_id = dimensions_counted.customer_id
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
        contenders.customer_id,
        contenders.dimension,
        contenders.choice,
        contenders.choice_word,
        contenders.evidence_count,
        contenders.last_date,
        contenders.is_stated,
        contenders.n,
        shares_of_all.share as share_of_all,
        case
            when contenders.n > 0
                then
                    cast(contenders.evidence_count as double) / contenders.n
        end as share
    from contenders
    inner join shares_of_all
        on
            contenders.dimension = shares_of_all.dimension
            and contenders.choice_word = shares_of_all.choice_word
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
            partition by customer_id, dimension
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
        customer_id,
        dimension,
        case when is_told then choice end as preference,
        is_stated,
        case
            when is_stated then 'stated'
            when is_told and share_low > share_of_all then 'strong'
            when is_told then 'weak'
        end as strength,
        evidence_count,
        100 * share as share_pct,
        100 * share_low as share_low_pct,
        100 * share_high as share_high_pct,
        100 * share_of_all as share_of_all_pct,
        last_date as last_seen_date,
        case
            when is_told then null
            when n < {{ least }} then 'fewer than {{ least }} traces tell it'
            else 'none of what was sent was opened or answered'
        end as missing_reason,
        n,
        case
            when is_stated then 'stated by the customer'
            when dimension = 'contact_style'
                then 'opened or answered / sent, Wilson 95 %'
            else 'traces with it / traces that tell one, Wilson 95 %'
        end as method,
        {{ as_of() }} as as_of_date
    from ranked
    where position = 1
)

select * from final
