{%- set told = [
    'source', 'lead_id', 'person_id', 'source_of_lead', 'employee_id', 'has_need',
    'can_pay', 'declined_reason', 'outcome', 'stage', 'stage_count', 'days_in_stage',
    'is_stuck', 'win_probability', 'win_probability_low', 'win_probability_high', 'n',
    'method', 'missing_reason'
] -%}
with

leads as (
    select * from {{ ref('leads') }}
),

first_stages as (
    select
        source,
        lead_id,
        entered_on
    from {{ ref('lead_stages') }}
    where position = 1
),

standings as (
    select distinct
        person_id,
        standing
    from {{ ref('identities') }}
    where person_id is not null
),

-- Who is no customer, and was not deleted; of several leads of a person the newest.
not_customers as (
    select
        {% for column in told %}
        leads.{{ column }},
        {% endfor %}
        -- Some sources tell steps from before they recorded the lead.
        least(
            leads.created_on, coalesce(first_stages.entered_on, leads.created_on)
        ) as first_seen_on,
        greatest(
            leads.created_on, coalesce(leads.decided_on, leads.stage_since)
        ) as last_seen_on,
        row_number() over (
            partition by coalesce(leads.person_id, leads.source || ':' || leads.lead_id)
            order by
                leads.created_at desc nulls last,
                leads.source asc nulls last,
                leads.lead_id asc nulls last
        ) as position
    from leads
    left join first_stages
        on
            leads.source = first_stages.source
            and leads.lead_id = first_stages.lead_id
    left join standings on leads.person_id = standings.person_id
    where coalesce(standings.standing not in ('customer', 'deleted'), true)
),

products as (
    select
        product_key,
        category
    from {{ ref('products') }}
),

places as (
    select
        place_key,
        region
    from {{ ref('places') }}
),

customers as (
    select
        customer_id,
        region
    from {{ ref('customers') }}
),

bought as (
    select distinct
        customers.region,
        products.category
    from {{ ref('order_lines') }} as order_lines
    inner join customers on order_lines.customer_id = customers.customer_id
    left join products on order_lines.product_key = products.product_key
    where order_lines.is_purchase
),

-- Orders without lines, and those of unknown persons, in their stores.
bought_in as (
    select distinct coalesce(customers.region, places.region) as region
    from {{ ref('orders') }} as orders
    inner join customers on orders.customer_id = customers.customer_id
    left join places on orders.place_key = places.place_key
    where orders.is_purchase
),

markets as (
    select
        coalesce(region, 'unknown') as region,
        coalesce(category, 'unknown') as category
    from bought
    union
    select
        coalesce(region, 'unknown') as region,
        'unknown' as category
    from bought_in
    union
    select
        'unknown' as region,
        coalesce(category, 'unknown') as category
    from bought
),

demand as (
    select
        interactions.customer_id,
        interactions.occurred_date,
        coalesce(customers.region, places.region, 'unknown') as region,
        coalesce(products.category, 'unknown') as category
    from {{ ref('interactions') }} as interactions
    left join customers on interactions.customer_id = customers.customer_id
    left join places on interactions.place_key = places.place_key
    left join products on interactions.product_key = products.product_key
    where interactions.interaction_kind in ('event', 'presence', 'quote', 'ticket')
),

unexplored as (
    select
        demand.region,
        demand.category,
        count(*) as trace_count,
        min(demand.occurred_date) as first_seen_on,
        max(demand.occurred_date) as last_seen_on
    from demand
    left join markets
        on demand.region = markets.region and demand.category = markets.category
    where
        markets.region is null
        and not (demand.region = 'unknown' and demand.category = 'unknown')
    group by demand.region, demand.category
    having count(*) >= {{ var('minimum_answers') }}
),

final as (
    select
        'lead:' || source || ':' || lead_id as prospect_id,
        'lead' as subject,
        case
            when
                outcome = 'lost'
                or declined_reason is not null
                or not has_need
                or not can_pay
                then 'refusing'
            when has_need or can_pay or stage_count > 1 then 'near'
            else 'unexplored'
        end as prospect_kind,
        {{ names_where(['has_need', 'can_pay'], 'not {}') }} as unmet_criteria,
        {{ names_where(['has_need', 'can_pay'], '{} is null') }} as unknown_criteria,
        declined_reason,
        source,
        lead_id,
        person_id,
        cast(null as string) as region,
        cast(null as string) as category,
        source_of_lead,
        employee_id,
        first_seen_on,
        last_seen_on,
        cast(null as bigint) as trace_count,
        stage,
        days_in_stage,
        is_stuck,
        win_probability,
        win_probability_low,
        win_probability_high,
        n,
        method,
        missing_reason,
        {{ as_of() }} as as_of_date
    from not_customers
    where position = 1 and outcome != 'won'
    union all
    select
        'market:' || region || ':' || category as prospect_id,
        'market' as subject,
        'unexplored' as prospect_kind,
        cast(null as string) as unmet_criteria,
        cast(null as string) as unknown_criteria,
        cast(null as string) as declined_reason,
        cast(null as string) as source,
        cast(null as string) as lead_id,
        cast(null as string) as person_id,
        region,
        category,
        cast(null as string) as source_of_lead,
        cast(null as string) as employee_id,
        first_seen_on,
        last_seen_on,
        trace_count,
        cast(null as string) as stage,
        cast(null as bigint) as days_in_stage,
        cast(null as boolean) as is_stuck,
        cast(null as double) as win_probability,
        cast(null as double) as win_probability_low,
        cast(null as double) as win_probability_high,
        cast(null as bigint) as n,
        cast(null as string) as method,
        'no lead' as missing_reason,
        {{ as_of() }} as as_of_date
    from unexplored
)

select * from final
