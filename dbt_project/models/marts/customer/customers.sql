{#- What a record tells of a customer, one thing apart from the other. -#}
{%- set attributes = [
    'customer_kind', 'city', 'region', 'country', 'industry', 'level', 'account_id',
    'registration_source', 'birth_date'
] -%}
{#- Kinds of interactions that show by which ways a customer is known. -#}
{%- set footprints = {
    'trade': 'order', 'social': 'post', 'service': 'ticket',
    'survey': 'survey_response', 'presence': 'presence'
} -%}
with

identities as (
    select * from {{ ref('identities') }}
    where customer_id is not null
),

records as (
    select
        *,
        coalesce(-1 * {{ epoch_seconds('updated_at') }}, 1.0e18) as staleness
        {%- for attribute in attributes
            if var('survivorship')[attribute] == 'most_frequent' %},
        count({{ attribute }}) over (
            partition by customer_id, {{ attribute }}
        ) as {{ attribute }}_count
        {%- endfor %}
    from {{ ref('int_customer_records') }}
),

recorded as (
    select
        customer_id,
        {%- for attribute in attributes %}
        min_by({{ attribute }}, {{ survival_of(attribute) }})
        filter (where {{ attribute }} is not null) as {{ attribute }},
        min_by(source, {{ survival_of(attribute) }})
        filter (where {{ attribute }} is not null) as {{ attribute }}_source,
        min_by(updated_at, {{ survival_of(attribute) }})
        filter (where {{ attribute }} is not null) as {{ attribute }}_updated_at,
        {%- endfor %}
        min(registered_at) as registered_at,
        count(*) as record_count,
        {{ sorted_list('source') }} as record_sources
    from records
    group by customer_id
),

-- The strongest identifier, of equally strong ones the oldest.
named as (
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

assigned as (
    select
        identities.customer_id,
        assignments.employee_id,
        assignments.department,
        row_number() over (
            partition by identities.customer_id
            order by
                assignments.valid_from desc nulls last,
                assignments.source asc nulls last,
                assignments.assignment_id asc nulls last
        ) as position
    from {{ ref('feed_assignments') }} as assignments
    inner join identities
        on
            assignments.identifier_type = identities.identifier_type
            and assignments.identifier_value = identities.identifier_value
    where coalesce(assignments.valid_to >= {{ as_of_at() }}, true)
),

consents as (
    {{ consents_in_force() }}
),

in_force as (
    select
        customer_id,
        case when is_granted then purpose || coalesce(' by ' || channel, '') end
            as consent,
        case
            when purpose = 'profiling' and is_granted then 1
            when purpose = 'profiling' then 0
        end as may_be_profiled
    from consents
),

permitted as (
    select
        customer_id,
        {{ sorted_list('consent') }} as consents,
        min(may_be_profiled) = 1 as may_be_profiled
    from in_force
    group by customer_id
),

traced as (
    select
        {%- for footprint, kind in footprints.items() %}
        max(case when interaction_kind = '{{ kind }}' then 1 else 0 end) = 1
            as has_{{ footprint }},
        {%- endfor %}
        customer_id
    from {{ ref('interactions') }}
    where customer_id is not null
    group by customer_id
),

searched as (
    select distinct customer_id
    from {{ ref('sessions') }}
    where customer_id is not null and search_count > 0
),

everybody as (
    select
        customer_id,
        identifier_type,
        identifier_value
    from named
    where position = 1
    union all
    select
        'unidentified' as customer_id,
        cast(null as string) as identifier_type,
        cast(null as string) as identifier_value
),

final as (
    select
        everybody.customer_id,
        everybody.identifier_type,
        everybody.identifier_value,
        {%- for attribute in attributes %}
        recorded.{{ attribute }},
        recorded.{{ attribute }}_source,
        {{ days_between(
            business_date('recorded.' ~ attribute ~ '_updated_at'), as_of()
        ) }} as {{ attribute }}_age_days,
        {%- endfor %}
        recorded.registered_at,
        {{ business_date('recorded.registered_at') }} < {{ first_day() }}
            as is_earlier,
        coalesce(recorded.record_count, 0) as record_count,
        recorded.record_sources,
        assigned.employee_id,
        assigned.department,
        permitted.consents,
        permitted.may_be_profiled,
        searched.customer_id is not null as has_search,
        {%- for footprint in footprints %}
        coalesce(traced.has_{{ footprint }}, false) as has_{{ footprint }},
        {%- endfor %}
        {{ as_of() }} as as_of_date
    from everybody
    left join recorded on everybody.customer_id = recorded.customer_id
    left join assigned
        on
            everybody.customer_id = assigned.customer_id
            and assigned.position = 1
    left join permitted on everybody.customer_id = permitted.customer_id
    left join traced on everybody.customer_id = traced.customer_id
    left join searched on everybody.customer_id = searched.customer_id
)

select * from final
