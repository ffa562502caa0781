with

accounts as (
    select
        customers.customer_id,
        coalesce(records.customer_id, customers.customer_id) as account
    from {{ ref('customers') }} as customers
    left join {{ ref('int_customer_records') }} as records
        on
            customers.account_id_source = records.source
            and customers.account_id = records.customer_record_id
    where customers.customer_id != 'unidentified'
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
    inner join {{ ref('identities') }} as identities
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

counted as (
    select
        accounts.customer_id,
        coalesce(quotes_summed.won_count, 0) as quote_won_count,
        coalesce(quotes_summed.lost_count, 0) as quote_lost_count,
        quotes_summed.won_pct,
        quotes_summed.lost_pct
    from accounts
    left join quotes_summed on accounts.account = quotes_summed.account
),

judged as (
    select
        *,
        case
            when quote_won_count + quote_lost_count = 0
                then 'no quote with price and quantity'
            when quote_won_count < 5 or quote_lost_count < 5
                then 'fewer than 5 quotes won, or lost'
            when won_pct >= lost_pct
                then 'what was lost was not dearer than what was won'
        end as price_missing_reason
    from counted
),

final as (
    select
        customer_id,
        case when price_missing_reason is null then won_pct end as price_from_pct,
        case when price_missing_reason is null then lost_pct end as price_until_pct,
        quote_won_count,
        quote_lost_count,
        price_missing_reason
    from judged
)

select * from final
