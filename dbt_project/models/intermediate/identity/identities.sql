with

identifiers as (
    select * from {{ ref('int_identifiers') }}
),

persons as (
    select * from {{ ref('int_persons') }}
),

numbered as (
    select
        identifiers.identifier_number,
        identifiers.identifier_type,
        identifiers.identifier_value,
        case when persons.refused_by is null then persons.person_number end
            as person_number,
        persons.refused_by,
        identifiers.is_customers,
        identifiers.is_visitors,
        identifiers.record_count,
        identifiers.deleted_count,
        {{ is_kind_of('identifiers.identifier_type', var('identity').anonymous) }}
            as is_anonymous
    from identifiers
    inner join persons
        on identifiers.identifier_number = persons.identifier_number
),

summed as (
    select
        person_number,
        max(case when is_customers then 1 else 0 end) = 1 as is_customers,
        max(case when is_visitors then 1 else 0 end) = 1 as is_visitors,
        max(case when is_anonymous then 0 else 1 end) = 0 as is_anonymous,
        sum(record_count) as record_count,
        sum(deleted_count) as deleted_count
    from numbered
    where person_number is not null
    group by person_number
),

judged as (
    select
        summed.person_number,
        {{ person_id('oldest.identifier_type', 'oldest.identifier_value') }}
            as person_id,
        case
            when
                summed.record_count > 0
                and summed.record_count = summed.deleted_count
                then 'deleted'
            when summed.is_customers then 'customer'
            when summed.is_anonymous then 'visitor'
            when summed.is_visitors then 'customer'
            else 'prospect'
        end as standing
    from summed
    inner join identifiers as oldest
        on summed.person_number = oldest.identifier_number
),

final as (
    select
        numbered.identifier_number,
        numbered.identifier_type,
        numbered.identifier_value,
        judged.person_id,
        case when judged.standing = 'customer' then judged.person_id end as customer_id,
        coalesce(judged.standing, 'nobody') as standing,
        numbered.refused_by
    from numbered
    left join judged on numbered.person_number = judged.person_number
)

select * from final
