with

consents as (
    {{ consents_in_force() }}
),

-- Who has refused to be profiled counts nowhere.
customers as (
    select customer_id
    from {{ ref('customers') }}
    where
        customer_id != 'unidentified'
        and {{ may_be_scored('may_be_profiled') }}
        and coalesce(may_be_profiled, true)
),

-- No channel is granted.
refused as (
    select
        consents.customer_id,
        'refused' as ground,
        cast(null as string) as product_key,
        {{ business_date('max(consents.changed_at)') }} as happened_on
    from consents
    inner join customers on consents.customer_id = customers.customer_id
    where consents.purpose = 'marketing'
    group by consents.customer_id
    having max(case when consents.is_granted then 1 else 0 end) = 0
),

identities as (
    select
        identities.identifier_type,
        identities.identifier_value,
        identities.customer_id
    from {{ ref('identities') }} as identities
    inner join customers on identities.customer_id = customers.customer_id
),

bought as (
    select distinct
        order_lines.customer_id,
        'bought' as ground,
        order_lines.product_key,
        order_lines.order_date as happened_on
    from {{ ref('order_lines') }} as order_lines
    inner join customers on order_lines.customer_id = customers.customer_id
    where
        order_lines.is_purchase
        and order_lines.product_key is not null
        and order_lines.quantity > 0
),

children as (
    select distinct
        identities.customer_id,
        'child' as ground,
        cast(null as string) as product_key,
        dependants.birth_date as happened_on
    from {{ ref('feed_dependants') }} as dependants
    inner join identities
        on
            dependants.identifier_type = identities.identifier_type
            and dependants.identifier_value = identities.identifier_value
    where dependants.birth_date is not null
),

declined as (
    select distinct
        identities.customer_id,
        'declined' as ground,
        resolved.reference_key as product_key,
        {{ business_date('quotes.quoted_at') }} as happened_on
    from {{ ref('feed_quotes') }} as quotes
    inner join identities
        on
            quotes.identifier_type = identities.identifier_type
            and quotes.identifier_value = identities.identifier_value
    inner join {{ ref('int_references_resolved') }} as resolved
        on
            quotes.source = resolved.source
            and quotes.product_id = resolved.reference_id
            and resolved.kind = 'product'
    where quotes.outcome = 'declined'
),

final as (
    select * from bought
    union all
    select * from children
    union all
    select * from declined
    union all
    select * from refused
)

select * from final
