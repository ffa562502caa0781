{#- How customers are best reached, and who is left in peace: what several models
    share. -#}

{#- 1 for a message or call that was opened or answered, else 0. -#}
{% macro is_noticed(contacts) -%}
    case
        when
            {{ contacts }}.opened_at is not null
            or {{ contacts }}.responded_at is not null
            then 1
        else 0
    end
{%- endmacro %}

{#- A share of few messages, to which the share of a wider level is added as ten. -#}
{% macro shrunk(noticed_count, contact_count, wider_share) -%}
    (({{ noticed_count }} + 10 * {{ wider_share }}) / ({{ contact_count }} + 10.0e0))
{%- endmacro %}

{#- Messages from which on a customer's own bear a choice by themselves, and those of a
    segment, or of all. -#}
{% macro own_minimum() -%}20{%- endmacro %}

{% macro group_minimum() -%}200{%- endmacro %}

{#- A query of what was last said of each customer's trait of that name. -#}
{% macro latest_trait(attribute) -%}
    select
        customer_id,
        value_text,
        value_number
    from (
        select
            identities.customer_id,
            attributes.value_text,
            attributes.value_number,
            row_number() over (
                partition by identities.customer_id
                order by
                    attributes.observed_at desc nulls last,
                    attributes.source asc nulls last,
                    attributes.attribute_id asc nulls last
            ) as position
        from {{ ref('feed_attributes') }} as attributes
        inner join {{ ref('identities') }} as identities
            on
                attributes.identifier_type = identities.identifier_type
                and attributes.identifier_value = identities.identifier_value
        where
            {{ folded('attributes.attribute') }} = '{{ attribute | replace('_', '') }}'
            and identities.customer_id is not null
    ) as ranked
    where position = 1
{%- endmacro %}

{#- A query of who was drawn to be left out of a campaign: customer_id, source of the
    draw, campaign_id as it was written. -#}
{% macro drawn_to_be_held_out() -%}
    select
        identities.customer_id,
        attributes.source,
        attributes.value_text as campaign_id
    from {{ ref('feed_attributes') }} as attributes
    inner join {{ ref('identities') }} as identities
        on
            attributes.identifier_type = identities.identifier_type
            and attributes.identifier_value = identities.identifier_value
    where
        {{ folded('attributes.attribute') }} = 'holdout'
        and identities.customer_id is not null
{%- endmacro %}

{#- A query of the customers whose data may be judged together with those of others
    alike, and of their tier: customer_id, segment. -#}
{% macro tiers_of_scored() -%}
    select
        customers.customer_id,
        memberships.segment
    from {{ ref('customers') }} as customers
    inner join {{ ref('segment_memberships') }} as memberships
        on customers.customer_id = memberships.customer_id
    where
        customers.customer_id != 'unidentified'
        and {{ may_be_scored('customers.may_be_profiled') }}
        and memberships.scheme = 'tier'
        and memberships.is_current
{%- endmacro %}

{#- Whether a row of customer_needs is something to offer an answer to: not a complaint,
    nor what the range is known not to hold. -#}
{% macro is_need_to_offer_for() -%}
    state = 'open'
    and need_kind != 'complaint'
    and coalesce(is_in_range, true)
{%- endmacro %}
