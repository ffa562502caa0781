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

{#- A query of who was drawn to be left out of which campaign: campaign_key, customer_id.
    A campaign is the one of the source that drew, or else the only one of that id. -#}
{% macro held_out_of_campaigns() -%}
    select distinct
        coalesce(own.reference_key, named_once.campaign_key) as campaign_key,
        identities.customer_id
    from {{ ref('feed_attributes') }} as attributes
    inner join {{ ref('identities') }} as identities
        on
            attributes.identifier_type = identities.identifier_type
            and attributes.identifier_value = identities.identifier_value
    left join {{ ref('int_references_resolved') }} as own
        on
            own.kind = 'campaign'
            and attributes.source = own.source
            and attributes.value_text = own.reference_id
    left join (
        select
            campaign_id,
            min(campaign_key) as campaign_key
        from {{ ref('campaigns') }}
        group by campaign_id
        having count(*) = 1
    ) as named_once
        on attributes.value_text = named_once.campaign_id
    where
        {{ folded('attributes.attribute') }} = 'holdout'
        and identities.customer_id is not null
        and coalesce(own.reference_key, named_once.campaign_key) is not null
{%- endmacro %}

{#- A query of when each campaign is at work: campaign_key, starts_at, ends_at. One that
    names no beginning begins with its first message, one without an end lasts 30
    days. -#}
{% macro campaign_windows() -%}
    select
        campaigns.campaign_key,
        coalesce(campaigns.starts_at, first_contacts.sent_at) as starts_at,
        coalesce(
            campaigns.ends_at,
            coalesce(campaigns.starts_at, first_contacts.sent_at)
            + interval '30' day
        ) as ends_at
    from {{ ref('campaigns') }} as campaigns
    left join (
        select
            campaign_references.reference_key as campaign_key,
            min(sent.sent_at) as sent_at
        from {{ ref('feed_contacts') }} as sent
        inner join {{ ref('int_references_resolved') }} as campaign_references
            on
                sent.source = campaign_references.source
                and sent.campaign_id = campaign_references.reference_id
        where campaign_references.kind = 'campaign'
        group by campaign_references.reference_key
    ) as first_contacts
        on campaigns.campaign_key = first_contacts.campaign_key
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

{#- A query of all service cases, with whether their source tells at all when cases are
    answered and solved: else nobody would have answered, and each be open for ever. -#}
{% macro cases_and_what_is_told() -%}
    select
        *,
        count(first_response_at) over (partition by source) > 0
            as tells_first_responses,
        count(resolved_at) over (partition by source) > 0 as tells_solutions
    from {{ ref('complaints') }}
{%- endmacro %}
