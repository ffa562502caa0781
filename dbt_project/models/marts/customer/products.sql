with

resolved as (
    select
        *,
        max(case when finding = 'own source' then 1 else 0 end) over ()
            as is_any_listed
    from {{ ref('int_references_resolved') }}
    where kind = 'product' and reference_key = source || ':' || reference_id
),

listed as (
    select * from {{ ref('feed_products') }}
),

sold as (
    select
        product_key,
        min(order_date) as first_sold_date,
        max(order_date) as last_sold_date
    from {{ ref('order_lines') }}
    where is_purchase and quantity >= 0
    group by product_key
),

final as (
    select
        resolved.reference_key as product_key,
        resolved.source,
        resolved.reference_id as product_id,
        listed.name,
        listed.category,
        listed.brand,
        listed.list_price_amount,
        listed.unit_cost_amount,
        listed.stock_quantity,
        listed.launched_at,
        sold.first_sold_date,
        sold.last_sold_date,
        resolved.finding = 'own source' as is_listed,
        -- Where nothing is listed, what rows name is all there is.
        (resolved.finding = 'own source' or resolved.is_any_listed = 0)
        and coalesce(listed.stock_quantity > 0, true)
        and coalesce(
            listed.launched_at < cast({{ add_days(as_of(), 1) }} as timestamp), true
        ) as may_be_offered,
        {{ missing_reason('resolved.finding') }} as missing_reason,
        {{ as_of() }} as as_of_date
    from resolved
    left join listed
        on
            resolved.source = listed.source
            and resolved.reference_id = listed.product_id
    left join sold on resolved.reference_key = sold.product_key
)

select * from final
