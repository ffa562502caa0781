with

promises as (
    select * from {{ ref('feed_promises') }}
),

identities as (
    select * from {{ ref('identities') }}
),

assignments as (
    select
        identities.customer_id,
        assignments.employee_id,
        assignments.department,
        assignments.valid_from,
        assignments.valid_to,
        assignments.source,
        assignments.assignment_id
    from {{ ref('feed_assignments') }} as assignments
    inner join identities
        on
            assignments.identifier_type = identities.identifier_type
            and assignments.identifier_value = identities.identifier_value
    where identities.customer_id is not null
),

identified as (
    select
        promises.source,
        promises.promise_id,
        identities.customer_id,
        promises.kind,
        promises.promised_at,
        promises.due_at,
        promises.kept_at,
        -- A kind of which each is due at a midnight is due by days.
        count(
            case
                when
                    promises.due_at
                    != {{ business_midnight(business_date('promises.due_at')) }}
                    then 1
            end
        ) over (partition by promises.source, promises.kind) = 0 as is_due_by_day
    from promises
    left join identities
        on
            promises.identifier_type = identities.identifier_type
            and promises.identifier_value = identities.identifier_value
),

-- In whose care the customer was when it was promised.
owned as (
    select
        identified.source,
        identified.promise_id,
        assignments.employee_id,
        assignments.department,
        row_number() over (
            partition by identified.source, identified.promise_id
            order by
                assignments.valid_from desc nulls last,
                assignments.source asc nulls last,
                assignments.assignment_id asc nulls last
        ) as position
    from identified
    inner join assignments on identified.customer_id = assignments.customer_id
    where
        coalesce(assignments.valid_from <= identified.promised_at, true)
        and coalesce(assignments.valid_to > identified.promised_at, true)
),

owners as (
    select * from owned
    where position = 1
),

due as (
    select
        *,
        case
            when is_due_by_day
                then {{ business_midnight(add_days(business_date('due_at'), 1)) }}
            else due_at
        end as deadline_at
    from identified
),

-- A promise due or kept before it was made is a fault of the source, and judges nobody.
checked as (
    select
        *,
        coalesce(kept_at < promised_at, false)
        or coalesce(deadline_at < promised_at, false) as has_impossible_time
    from due
),

judged as (
    select
        *,
        case
            when has_impossible_time then null
            when kept_at < deadline_at then true
            when kept_at = deadline_at then not is_due_by_day
            when kept_at > deadline_at or deadline_at < {{ as_of_at() }} then false
            when is_due_by_day and deadline_at = {{ as_of_at() }} then false
        end as is_kept_in_time,
        {{ hours_between('deadline_at', 'coalesce(kept_at, ' ~ as_of_at() ~ ')') }}
            as overdue_hours
    from checked
),

final as (
    select
        judged.source,
        judged.promise_id,
        judged.customer_id,
        judged.kind,
        owners.employee_id,
        owners.department,
        case
            when judged.has_impossible_time then 'unknown'
            when judged.kept_at is not null and not judged.is_kept_in_time then 'late'
            when judged.kept_at is not null then 'kept'
            when not judged.is_kept_in_time then 'broken'
            else 'open'
        end as state,
        judged.promised_at,
        {{ business_date('judged.promised_at') }} as promised_date,
        judged.due_at,
        judged.deadline_at,
        judged.kept_at,
        judged.is_kept_in_time,
        case
            when judged.is_kept_in_time is not null then null
            when judged.has_impossible_time
                then 'the source tells a time before it was promised'
            when judged.due_at is null then 'the source tells no time by which'
            else 'not due yet'
        end as missing_reason,
        case when not judged.is_kept_in_time then judged.overdue_hours end
            as overdue_hours,
        {{ as_of() }} as as_of_date
    from judged
    left join owners
        on
            judged.source = owners.source
            and judged.promise_id = owners.promise_id
)

select * from final
