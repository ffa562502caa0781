{#- A query of the consents in force: customer_id, purpose, channel (NULL for all),
    is_granted, changed_at. A channel that is named stands by what was last said of it,
    unless everything was withdrawn since. Of changes at one instant a withdrawal
    counts. -#}
{% macro consents_in_force() -%}
    select
        customer_id,
        purpose,
        channel,
        is_granted
        and coalesce(
            channel is null
            or changed_at > max(
                case when channel is null and not is_granted then changed_at end
            ) over (partition by customer_id, purpose),
            true
        ) as is_granted,
        changed_at
    from (
        select
            changes.*,
            row_number() over (
                partition by customer_id, purpose, channel
                order by
                    changed_at desc nulls last,
                    is_granted asc nulls first,
                    source asc nulls last,
                    consent_id asc nulls last
            ) as position
        from (
            select
                identities.customer_id,
                consents.source,
                consents.consent_id,
                lower(trim(consents.purpose)) as purpose,
                {{ folded('consents.channel') }} as channel,
                coalesce(consents.is_granted, false) as is_granted,
                consents.changed_at
            from {{ ref('feed_consents') }} as consents
            inner join {{ ref('identities') }} as identities
                on
                    consents.identifier_type = identities.identifier_type
                    and consents.identifier_value = identities.identifier_value
            where identities.customer_id is not null
        ) as changes
    ) as ranked
    where position = 1
{%- endmacro %}
