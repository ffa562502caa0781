with

identities as (
    select * from {{ ref('identities') }}
    where customer_id is not null
),

records as (
    select * from {{ ref('feed_customers') }}
),

interactions as (
    select * from {{ ref('interactions') }}
    where customer_id is not null
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

identified as (
    select
        customer_id,
        identifier_type,
        identifier_value,
        row_number() over (
            partition by customer_id
            order by
                {{ strength_of('identifier_type') }} nulls last,
                identifier_number nulls last
        ) as position
    from identities
),

recorded as (
    select
        identities.customer_id,
        records.source,
        records.customer_kind,
        records.city,
        records.region,
        records.country,
        records.industry,
        records.level,
        records.registration_source,
        records.registered_at,
        records.birth_date,
        records.updated_at,
        row_number() over (
            partition by identities.customer_id
            order by
                records.updated_at desc nulls last,
                records.source asc nulls last,
                records.customer_record_id asc nulls last
        ) as position
    from records
    inner join identities
        on
            records.identifier_type = identities.identifier_type
            and records.identifier_value = identities.identifier_value
    where
        coalesce(records.updated_at < {{ as_of_at() }}, true)
        and records.deleted_at is null
),

interactions_summed as (
    select
        customer_id,
        min(occurred_at) as first_interaction_at,
        max(occurred_at) as last_interaction_at,
        count(*) as interaction_count
    from interactions
    group by customer_id
),

final as (
    select
        identified.customer_id,
        recorded.customer_kind,
        identified.identifier_type,
        identified.identifier_value,
        recorded.city,
        recorded.region,
        recorded.country,
        recorded.industry,
        recorded.level,
        recorded.registration_source,
        recorded.registered_at,
        recorded.birth_date,
        recorded.source as record_source,
        recorded.updated_at as record_updated_at,
        interactions_summed.first_interaction_at,
        interactions_summed.last_interaction_at,
        coalesce(interactions_summed.interaction_count, 0) as interaction_count,
        activity_states.first_order_date,
        activity_states.last_order_date,
        customer_values.order_count,
        customer_values.revenue_amount,
        activity_states.state as activity_state,
        rfm_scores.segment as rfm_segment,
        {{ as_of() }} as as_of_date
    from identified
    inner join customer_values
        on identified.customer_id = customer_values.customer_id
    inner join activity_states
        on identified.customer_id = activity_states.customer_id
    left join recorded
        on
            identified.customer_id = recorded.customer_id
            and recorded.position = 1
    left join interactions_summed
        on identified.customer_id = interactions_summed.customer_id
    left join rfm_scores
        on identified.customer_id = rfm_scores.customer_id
    where identified.position = 1
)

select * from final
