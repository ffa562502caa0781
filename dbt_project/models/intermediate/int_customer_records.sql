with

identities as (
    select * from {{ ref('identities') }}
    where customer_id is not null
),

records as (
    select * from {{ ref('feed_customers') }}
    where deleted_at is null and coalesce(updated_at < {{ as_of_at() }}, true)
),

final as (
    select
        records.source,
        records.customer_record_id,
        identities.customer_id,
        records.customer_kind,
        records.city,
        records.region,
        records.country,
        records.industry,
        records.level,
        records.account_id,
        records.registration_source,
        records.birth_date,
        records.registered_at,
        records.updated_at
    from records
    inner join identities
        on
            records.identifier_type = identities.identifier_type
            and records.identifier_value = identities.identifier_value
)

select * from final
