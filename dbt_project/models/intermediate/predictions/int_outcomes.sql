{%- set horizon_days = var('horizon_days') -%}
with

observation_days as (
    select
        observed_on,
        role,
        {{ add_days('observed_on', horizon_days) }} as horizon_ends_on,
        {{ add_days('observed_on', 2 * horizon_days) }} as next_horizon_ends_on
    from {{ ref('int_observation_days') }}
),

customers as (
    select customer_id
    from {{ ref('customers') }}
    where
        customer_id != 'unidentified'
        and {{ may_be_scored('may_be_profiled') }}
),

order_days as (
    select
        orders.customer_id,
        orders.order_date,
        max(case when orders.is_purchase then 1 else 0 end) as purchase_count,
        sum(orders.revenue_amount) as revenue_amount
    from {{ ref('orders') }} as orders
    inner join customers on orders.customer_id = customers.customer_id
    where orders.is_purchase or orders.has_return
    group by orders.customer_id, orders.order_date
),

-- What was known at the end of the day.
histories as (
    select
        observation_days.observed_on,
        observation_days.role,
        order_days.customer_id,
        sum(order_days.purchase_count) as purchase_day_count,
        max(case when order_days.purchase_count = 1 then order_days.order_date end)
            as last_order_date,
        sum(
            case
                when
                    order_days.order_date
                    > {{ add_days('observation_days.observed_on', '(-365)') }}
                    then order_days.revenue_amount
                else 0
            end
        ) as year_amount
    from observation_days
    inner join order_days
        on observation_days.observed_on >= order_days.order_date
    group by
        observation_days.observed_on, observation_days.role, order_days.customer_id
),

-- Kith's own scheme tier, on the day; equals stand together.
earners as (
    select
        observed_on,
        customer_id,
        rank() over (
            partition by observed_on order by year_amount desc nulls last
        ) - 1 as above_count,
        count(*) over (partition by observed_on) as n
    from histories
    where year_amount > 0
),

placed as (
    select
        histories.observed_on,
        histories.role,
        histories.customer_id,
        histories.purchase_day_count,
        histories.last_order_date,
        case
            when 100 * earners.above_count < 5 * earners.n then 'VIP'
            when 100 * earners.above_count < 20 * earners.n then 'High'
            when 100 * earners.above_count < 50 * earners.n then 'Middle'
            when earners.n > 0 then 'Low'
            else 'No revenue in 365 days'
        end as tier
    from histories
    left join earners
        on
            histories.observed_on = earners.observed_on
            and histories.customer_id = earners.customer_id
),

-- What came after it: of the as-of date nothing.
futures as (
    select
        observation_days.observed_on,
        order_days.customer_id,
        max(
            case
                when order_days.order_date <= observation_days.horizon_ends_on then 1
                else 0
            end
        ) as buys_in_horizon,
        max(
            case
                when order_days.order_date > observation_days.horizon_ends_on then 1
                else 0
            end
        ) as buys_in_next_horizon
    from observation_days
    inner join order_days
        on
            observation_days.observed_on < order_days.order_date
            and observation_days.next_horizon_ends_on >= order_days.order_date
    where order_days.purchase_count = 1
    group by observation_days.observed_on, order_days.customer_id
),

followed as (
    select
        placed.observed_on,
        placed.role,
        placed.customer_id,
        placed.purchase_day_count,
        placed.tier,
        {{ days_between('placed.last_order_date', 'placed.observed_on') }}
        < {{ horizon_days }} as is_active,
        coalesce(futures.buys_in_horizon, 0) = 1 as buys,
        coalesce(futures.buys_in_next_horizon, 0) = 1 as buys_later,
        coalesce(afterwards.tier = 'VIP', false) as is_vip_later
    from placed
    inner join observation_days on placed.observed_on = observation_days.observed_on
    left join futures
        on
            placed.observed_on = futures.observed_on
            and placed.customer_id = futures.customer_id
    left join placed as afterwards
        on
            observation_days.horizon_ends_on = afterwards.observed_on
            and placed.customer_id = afterwards.customer_id
    where placed.purchase_day_count > 0
),

asked as (
    {% for question, outcome, population in [
        ('buys_again', 'buys', 'true'),
        ('pays_again', 'buys', 'purchase_day_count = 1'),
        ('becomes_vip', 'is_vip_later', "tier != 'VIP'"),
        ('stays', 'buys_later', "is_active and role = 'train'"),
    ] -%}
    select
        '{{ question }}' as question,
        observed_on,
        role,
        customer_id,
        tier,
        case when role != 'score' then {{ outcome }} end as outcome
    from followed
    where {{ population }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

final as (
    select
        question,
        observed_on,
        role,
        customer_id,
        tier,
        outcome,
        row_number() over (
            partition by question, observed_on
            order by md5(customer_id) asc nulls last, customer_id asc nulls last
        ) as place
    from asked
)

select * from final
