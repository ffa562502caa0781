with

customers as (
    select * from {{ ref('customers') }}
),

interactions as (
    select
        coalesce(customer_id, 'unidentified') as customer_id,
        min(occurred_at) as first_interaction_at,
        max(occurred_at) as last_interaction_at,
        count(*) as interaction_count
    from {{ ref('interactions') }}
    group by coalesce(customer_id, 'unidentified')
),

customer_values as (
    select * from {{ ref('customer_values') }}
),

activity_states as (
    select * from {{ ref('activity_states') }}
),

rfm_scores as (
    select * from {{ ref('rfm_scores') }}
),

memberships as (
    select
        customer_id,
        max(case when scheme = 'tier' then segment end) as tier,
        max(case when scheme = 'lifecycle' then segment end) as lifecycle
    from {{ ref('segment_memberships') }}
    where is_current
    group by customer_id
),

rates_foretold as (
    select
        customer_id,
        probability,
        -- As if purchases came evenly: of a day, from the probability of the horizon.
        case
            when probability >= 0.25 and probability < 1
                then -ln(1 - probability) / horizon_days
        end as daily_rate
    from {{ ref('customer_predictions') }}
    where question = 'buys_again'
),

purchases_foretold as (
    select
        customer_id,
        probability,
        cast(ceil(ln(4 / 3.0e0) / daily_rate) as bigint) as quarter_days,
        cast(ceil(ln(4.0e0) / daily_rate) as bigint) as three_quarters_days
    from rates_foretold
),

satisfied as (
    select * from {{ ref('customer_satisfaction') }}
),

warnings as (
    select
        customer_id,
        count(*) as warning_count,
        min_by(sign, {{ ordering(['severity', 'opened_on', 'sign']) }})
            as worst_warning
    from {{ ref('churn_warnings') }}
    where is_open
    group by customer_id
),

-- What falls due next; what is overdue is due today.
needs_ranked as (
    select
        customer_id,
        need,
        due_on,
        row_number() over (
            partition by customer_id
            order by
                -- As contact_plans: what was due a month ago moves nobody any more.
                case when due_on > {{ add_days(as_of(), '(-30)') }} then 0 else 1 end
                nulls last,
                greatest(due_on, {{ add_days(as_of(), 1) }}) nulls last,
                due_on nulls last,
                evidence_count desc nulls last,
                need_kind nulls last,
                need nulls last,
                product_key nulls last
        ) as position
    from {{ ref('customer_needs') }}
    where {{ is_need_to_offer_for() }}
),

values_ahead as (
    select * from {{ ref('customer_lifetime_values') }}
),

contact_plans as (
    select * from {{ ref('contact_plans') }}
),

best_offers as (
    select * from {{ ref('recommendations') }}
    where rank = 1
),

final as (
    select
        customers.customer_id,
        customers.customer_kind,
        customers.identifier_type,
        customers.identifier_value,
        customers.city,
        customers.region,
        customers.country,
        customers.industry,
        customers.level,
        customers.account_id,
        customers.registration_source,
        customers.registered_at,
        customers.is_earlier,
        customers.birth_date,
        customers.employee_id,
        customers.department,
        customers.consents,
        customers.may_be_profiled,
        customers.has_search,
        customers.has_trade,
        customers.has_social,
        customers.has_service,
        customers.has_survey,
        customers.has_presence,
        interactions.first_interaction_at,
        interactions.last_interaction_at,
        coalesce(interactions.interaction_count, 0) as interaction_count,
        activity_states.first_order_date,
        activity_states.last_order_date,
        coalesce(customer_values.order_count, 0) as order_count,
        cast(coalesce(customer_values.revenue_amount, 0) as decimal(18, 2))
            as revenue_amount,
        customer_values.margin_amount,
        customer_values.average_order_amount,
        activity_states.state as activity_state,
        rfm_scores.segment as rfm_segment,
        rfm_scores.value_type,
        case
            when rfm_scores.customer_id is not null then null
            when customers.customer_id = 'unidentified' then 'unidentified'
            when activity_states.state = 'not_permitted' then 'profiling not permitted'
            else 'no purchase in the window'
        end as rfm_missing_reason,
        satisfied.satisfaction,
        satisfied.told_at as satisfaction_told_at,
        satisfied.trend as satisfaction_trend,
        satisfied.is_advocate,
        satisfied.unresolved_case_count,
        satisfied.promise_missed_count,
        case
            when satisfied.satisfaction != 'not_permitted'
                then coalesce(warnings.warning_count, 0)
        end as warning_count,
        warnings.worst_warning,
        memberships.tier,
        memberships.lifecycle,
        1 - purchases_foretold.probability as churn_probability,
        values_ahead.alive_probability,
        values_ahead.value_12_months_amount,
        {{ add_days(as_of(), 'purchases_foretold.quarter_days') }}
            as next_purchase_from,
        {{ add_days(as_of(), 'purchases_foretold.three_quarters_days') }}
            as next_purchase_until,
        contact_plans.next_contact_on,
        case when contact_plans.next_contact_on is not null then contact_plans.care end
            as next_contact_care,
        contact_plans.channel as next_contact_channel,
        contact_plans.hour_from as next_contact_hour,
        contact_plans.blocked_by as next_contact_blocked_by,
        needs_ranked.need as next_need,
        needs_ranked.due_on as next_need_due_on,
        best_offers.product_name as next_offer,
        best_offers.reason as next_offer_reason,
        {{ as_of() }} as as_of_date
    from customers
    left join interactions on customers.customer_id = interactions.customer_id
    left join customer_values
        on customers.customer_id = customer_values.customer_id
    left join activity_states
        on customers.customer_id = activity_states.customer_id
    left join rfm_scores on customers.customer_id = rfm_scores.customer_id
    left join satisfied on customers.customer_id = satisfied.customer_id
    left join warnings on customers.customer_id = warnings.customer_id
    left join memberships on customers.customer_id = memberships.customer_id
    left join purchases_foretold
        on customers.customer_id = purchases_foretold.customer_id
    left join values_ahead on customers.customer_id = values_ahead.customer_id
    left join contact_plans on customers.customer_id = contact_plans.customer_id
    left join needs_ranked
        on
            customers.customer_id = needs_ranked.customer_id
            and needs_ranked.position = 1
    left join best_offers on customers.customer_id = best_offers.customer_id
)

select * from final
