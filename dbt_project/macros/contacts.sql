{#- How customers are best reached: rules that int_contact_channels and contact_plans
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
