with

customers as (
    select
        customer_id,
        case when is_earlier then 'earlier' else 'new' end as population
    from {{ ref('customers') }}
    where
        customer_id != 'unidentified'
        and {{ may_be_scored('may_be_profiled') }}
),

orders as (
    select * from {{ ref('orders') }}
    where is_purchase or has_return
),

days as (
    select
        customer_id,
        order_date,
        max(case when is_purchase then 1 else 0 end) as purchase_count,
        sum(revenue_amount) as revenue_amount
    from orders
    group by customer_id, order_date
),

firsts as (
    select
        customers.customer_id,
        customers.population,
        min(days.order_date) as first_order_date
    from customers
    inner join days on customers.customer_id = days.customer_id
    where days.purchase_count = 1
    group by customers.customer_id, customers.population
),

beginning as (
    select min(first_order_date) as window_start
    from firsts
),

-- As long as what is foretold, but a third of all days at most.
held_out as (
    select
        window_start,
        {{ add_days(as_of(), '(1 - least(365, cast(floor('
            ~ days_between('window_start', as_of())
            ~ ' / 3.0e0) as bigint)))') }} as held_out_start
    from beginning
),

-- A return that came before the first purchase belongs to none that is known.
placed as (
    select
        firsts.customer_id,
        firsts.population,
        firsts.first_order_date,
        held_out.window_start,
        held_out.held_out_start,
        days.order_date,
        days.purchase_count,
        case
            when days.order_date > firsts.first_order_date then days.revenue_amount
            else 0
        end as repeat_amount,
        days.order_date >= held_out.held_out_start as is_held_out
    from firsts
    inner join days
        on
            firsts.customer_id = days.customer_id
            and firsts.first_order_date <= days.order_date
    cross join held_out
),

summed as (
    select
        customer_id,
        population,
        first_order_date,
        window_start,
        held_out_start,
        sum(purchase_count) as purchase_count,
        max(case when purchase_count = 1 then order_date end) as last_order_date,
        sum(repeat_amount) as repeat_amount,
        sum(case when is_held_out then 0 else purchase_count end) as trained_count,
        max(case when purchase_count = 1 and not is_held_out then order_date end)
            as trained_last_order_date,
        sum(case when is_held_out then 0 else repeat_amount end) as trained_amount,
        sum(case when is_held_out then purchase_count else 0 end) as held_out_count,
        sum(case when is_held_out then repeat_amount else 0 end) as held_out_amount
    from placed
    group by
        customer_id, population, first_order_date, window_start, held_out_start
),

final as (
    select
        customer_id,
        population,
        cast(purchase_count - 1 as bigint) as repeat_count,
        cast({{ days_between('first_order_date', 'last_order_date') }} as bigint)
            as first_to_last_days,
        cast({{ days_between('first_order_date', as_of()) }} as bigint)
            as days_since_first_order,
        cast(repeat_amount as decimal(18, 2)) as repeat_amount,
        cast(
            case when first_order_date < held_out_start then trained_count - 1 end
            as bigint
        ) as trained_repeat_count,
        cast(
            {{ days_between('first_order_date', 'trained_last_order_date') }} as bigint
        ) as trained_first_to_last_days,
        cast(
            case
                when first_order_date < held_out_start
                    then {{ days_between('first_order_date', 'held_out_start') }} - 1
            end as bigint
        ) as trained_days,
        cast(
            case when first_order_date < held_out_start then trained_amount end
            as decimal(18, 2)
        ) as trained_repeat_amount,
        cast(
            case when first_order_date < held_out_start then held_out_count end
            as bigint
        ) as held_out_count,
        cast(
            case when first_order_date < held_out_start then held_out_amount end
            as decimal(18, 2)
        ) as held_out_amount,
        window_start,
        held_out_start,
        {{ as_of() }} as window_end
    from summed
)

select * from final
