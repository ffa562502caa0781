with

baskets as (
    select
        basket_id,
        household_id,
        store_id,
        transaction_timestamp,
        max(loaded_at) as loaded_at
    from {{ source('grocer', 'transactions') }}
    group by basket_id, household_id, store_id, transaction_timestamp
),

final as (
    select
        'grocer' as source,
        basket_id as order_id,
        {{ identified_by({'household_id': 'household_id'}) }},
        transaction_timestamp as ordered_at,
        'store' as channel,
        store_id,
        loaded_at
    from baskets
)

select * from final
