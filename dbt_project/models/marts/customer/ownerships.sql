with

identities as (
    select * from {{ ref('identities') }}
    where customer_id is not null
),

orders as (
    select * from {{ ref('orders') }}
    where customer_id != 'unidentified'
),

assignments as (
    select
        identities.customer_id,
        assignments.employee_id,
        assignments.department,
        assignments.source,
        assignments.assignment_id,
        assignments.valid_from,
        case when assignments.valid_to < {{ as_of_at() }} then assignments.valid_to end
            as valid_to
    from {{ ref('feed_assignments') }} as assignments
    inner join identities
        on
            assignments.identifier_type = identities.identifier_type
            and assignments.identifier_value = identities.identifier_value
),

-- Each time at which a customer's care begins or ends somewhere.
turns as (
    select
        customer_id,
        valid_from as turned_at
    from assignments
    union
    select
        customer_id,
        valid_to as turned_at
    from assignments
    where valid_to is not null
),

spans as (
    select
        customer_id,
        turned_at as began_at,
        lead(turned_at) over (
            partition by customer_id order by turned_at nulls last
        ) as ended_at
    from turns
),

-- Of several who care at one time the one assigned last, as in customers.
cared as (
    select
        spans.customer_id,
        spans.began_at,
        spans.ended_at,
        assignments.employee_id,
        assignments.department,
        row_number() over (
            partition by spans.customer_id, spans.began_at
            order by
                assignments.valid_from desc nulls last,
                assignments.source asc nulls last,
                assignments.assignment_id asc nulls last
        ) as position
    from spans
    inner join assignments on spans.customer_id = assignments.customer_id
    where
        assignments.valid_from <= spans.began_at
        and coalesce(assignments.valid_to > spans.began_at, true)
),

compared as (
    select
        customer_id,
        employee_id,
        department,
        began_at,
        ended_at,
        lag(employee_id || ':' || coalesce(department, '')) over (
            partition by customer_id order by began_at nulls last
        ) as employee_before,
        lag(ended_at) over (
            partition by customer_id order by began_at nulls last
        ) as ended_before
    from cared
    where position = 1
),

-- Sources that tell the last second, or the last day, of a time begin the next one
-- after it.
numbered as (
    select
        *,
        cast(sum(
            case
                when
                    employee_before = employee_id || ':' || coalesce(department, '')
                    and began_at <= ended_before + interval '1' day
                    then 0
                else 1
            end
        ) over (
            partition by customer_id
            order by began_at nulls last
            rows between unbounded preceding and current row
        ) as bigint) as ownership_number
    from compared
),

joined as (
    select
        customer_id,
        ownership_number,
        min(employee_id) as employee_id,
        min(department) as department,
        min(began_at) as began_at,
        case when count(ended_at) = count(*) then max(ended_at) end as ended_at
    from numbered
    group by customer_id, ownership_number
),

followed as (
    select
        *,
        {{ business_date('began_at') }} as began_on,
        {{ business_date('ended_at') }} as ended_on,
        coalesce({{ business_date('ended_at') }}, {{ as_of() }}) as judged_on,
        case
            when
                lead(began_at) over (
                    partition by customer_id order by began_at nulls last
                ) <= ended_at + interval '1' day
                then
                    lead(employee_id) over (
                        partition by customer_id order by began_at nulls last
                    )
        end as successor_id
    from joined
),

-- Who has customers at the end of that day has not left, but handed one over.
employees_there as (
    select distinct
        ended.employee_id,
        ended.ended_on
    from followed as ended
    inner join followed as others on ended.employee_id = others.employee_id
    where
        others.began_on <= ended.ended_on
        and coalesce(others.ended_on > ended.ended_on, true)
),

spanned as (
    select
        *,
        case
            when ended_on is not null
                then least({{ days_between('ended_on', as_of()) }}, 365)
        end as compared_days
    from followed
),

ordered as (
    select
        spanned.customer_id,
        spanned.ownership_number,
        count(
            case
                when
                    orders.is_purchase
                    and orders.ordered_at >= spanned.began_at
                    and coalesce(orders.ordered_at < spanned.ended_at, true)
                    then 1
            end
        ) as order_count,
        sum(
            case
                when
                    orders.ordered_at >= spanned.began_at
                    and coalesce(orders.ordered_at < spanned.ended_at, true)
                    then orders.revenue_amount
            end
        ) as revenue_amount,
        sum(
            case
                when
                    orders.order_date <= spanned.judged_on
                    and orders.order_date > {{ add_days('spanned.judged_on', -365) }}
                    then orders.revenue_amount
            end
        ) as revenue_amount_365d,
        sum(
            case
                when
                    orders.order_date <= spanned.ended_on
                    and {{ days_between('orders.order_date', 'spanned.ended_on') }}
                    < spanned.compared_days
                    then orders.revenue_amount
            end
        ) as revenue_before_amount,
        sum(
            case
                when
                    orders.order_date > spanned.ended_on
                    and {{ days_between('spanned.ended_on', 'orders.order_date') }}
                    <= spanned.compared_days
                    then orders.revenue_amount
            end
        ) as revenue_after_amount,
        min(
            case
                when orders.is_purchase and orders.order_date > spanned.ended_on
                    then orders.order_date
            end
        ) as bought_again_on
    from spanned
    inner join orders on spanned.customer_id = orders.customer_id
    group by spanned.customer_id, spanned.ownership_number
),

final as (
    select
        spanned.customer_id,
        spanned.ownership_number,
        spanned.employee_id,
        spanned.department,
        spanned.began_at,
        spanned.began_on,
        spanned.ended_at,
        spanned.ended_on,
        spanned.ended_at is null as is_current,
        {{ days_between('spanned.began_on', 'spanned.judged_on') }} as days,
        case
            when spanned.ended_at is null then null
            when employees_there.employee_id is null then 'employee_left'
            else 'changed'
        end as ended_because,
        spanned.successor_id,
        coalesce(ordered.order_count, 0) as order_count,
        cast(coalesce(ordered.revenue_amount, 0) as decimal(18, 2)) as revenue_amount,
        cast(coalesce(ordered.revenue_amount_365d, 0) as decimal(18, 2))
            as revenue_amount_365d,
        spanned.compared_days,
        cast(
            case
                when spanned.ended_at is not null
                    then coalesce(ordered.revenue_before_amount, 0)
            end as decimal(18, 2)
        ) as revenue_before_amount,
        cast(
            case
                when spanned.ended_at is not null
                    then coalesce(ordered.revenue_after_amount, 0)
            end as decimal(18, 2)
        ) as revenue_after_amount,
        ordered.bought_again_on,
        {{ as_of() }} as as_of_date
    from spanned
    left join employees_there
        on
            spanned.employee_id = employees_there.employee_id
            and spanned.ended_on = employees_there.ended_on
    left join ordered
        on
            spanned.customer_id = ordered.customer_id
            and spanned.ownership_number = ordered.ownership_number
)

select * from final
