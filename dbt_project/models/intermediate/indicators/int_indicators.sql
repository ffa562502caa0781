{%- set actions = ref('int_customer_actions') -%}
{%- set needed = [
    ref('int_observation_days'), ref('identities'), ref('feed_customers'),
    ref('feed_attributes'), ref('customers'), ref('orders'), ref('order_lines'),
    ref('products'), ref('interactions'),
] -%}
{#- What it is made of only data tell, and dbt's parse need not wait for it. -#}
{%- if execute -%}
{%- set aggregated = [] -%}
{%- do aggregated_indicators(aggregated) -%}
{%- set daily = [] -%}
{%- do daily_indicators(daily) -%}
{%- set windows = {} -%}
{%- do windows_of_indicators(windows) -%}
{%- set varied = [] -%}
{%- do variety_indicators(varied) -%}
{%- set derived = [] -%}
{%- do derived_indicators(derived) -%}
{%- set traits = [] -%}
{%- do trait_indicators(traits) -%}
{%- set names = [] -%}
{%- for each in aggregated + daily + varied + traits + derived -%}
{%- do names.append(each.name) -%}
{%- endfor -%}
{%- set owned = [] -%}
{%- do own_indicators(owned, names + ['tenure_days', 'customer_id', 'observed_on']) -%}
{%- set steps = {} -%}
{%- do steps_of_kinds(steps) -%}
{%- set grouped = steps.values() | unique | list -%}
with

observation_days as (
    select
        observed_on,
        {{ business_midnight(add_days('observed_on', 1)) }} as ends_at
    from {{ ref('int_observation_days') }}
),

identities as (
    select * from {{ ref('identities') }}
    where customer_id is not null
),

-- Numbers are grouped and joined in half the time of ids.
scored as (
    select
        customer_id,
        row_number() over (order by customer_id nulls last) as customer_number
    from {{ ref('customers') }}
    where
        customer_id != 'unidentified'
        and {{ may_be_scored('may_be_profiled') }}
),

-- When somebody registered does not change with the record that tells it.
beginnings as (
    select
        identities.customer_id,
        {{ business_date('records.registered_at') }} as day
    from {{ ref('feed_customers') }} as records
    inner join identities
        on
            records.identifier_type = identities.identifier_type
            and records.identifier_value = identities.identifier_value
    where records.registered_at is not null
    union all
    select
        customer_id,
        occurred_date as day
    from {{ ref('interactions') }}
    where customer_id is not null
),

first_days as (
    select
        customer_id,
        min(day) as first_day
    from beginnings
    group by customer_id
),

known as (
    select
        observation_days.observed_on,
        scored.customer_id,
        scored.customer_number,
        {{ days_between('first_days.first_day', 'observation_days.observed_on') }}
            as tenure_days
    from scored
    inner join first_days on scored.customer_id = first_days.customer_id
    inner join observation_days
        on first_days.first_day <= observation_days.observed_on
),

{% for step in grouped %}
{%- set own = aggregated | selectattr('step', 'equalto', step) | list -%}
{%- set columns = {} -%}
{%- for each in own if each.column is defined -%}
{%- do columns.update({each.column: each.factor}) -%}
{%- endfor -%}
{%- set kinds = [] -%}
{%- for kind in steps if steps[kind] == step -%}
{%- do kinds.append(kind) -%}
{%- endfor -%}
{{ step }}_rows as (
    select
        actions.observed_on,
        scored.customer_number,
        actions.kind,
        actions.age_days,
        {% for name, bands in windows.items() %}
        {{ band_of('actions.age_days', bands) }} as {{ name }}_band,
        {% endfor %}
        actions.channel,
        actions.detail,
        {% for column, factor in columns.items() %}
        {% if factor == 1 %}
        actions.{{ column }},
        {% else %}
        round({{ factor }} * cast(actions.{{ column }} as double)) as {{ column }},
        {% endif %}
        {% endfor %}
        actions.act
    from {{ actions }} as actions
    inner join scored on actions.customer_id = scored.customer_id
    where actions.kind in ('{{ kinds | join("', '") }}')
),

{{ step }}_indicators as (
    select
        {% for each in own %}
        {{ each.aggregate }} as {{ each.name }},
        {% endfor %}
        observed_on,
        customer_number
    from {{ step }}_rows
    group by observed_on, customer_number
),

{% endfor %}
days as (
    select distinct
        actions.observed_on,
        scored.customer_number,
        actions.kind,
        actions.age_days
    from {{ actions }} as actions
    inner join scored on actions.customer_id = scored.customer_id
    where actions.kind in ('order', 'event', 'stay')
),

days_banded as (
    select
        observed_on,
        customer_number,
        kind,
        {{ band_of('age_days', windows.close) }} as close_band
    from days
),

day_indicators as (
    select
        {% for each in daily %}
        {{ each.aggregate }} as {{ each.name }},
        {% endfor %}
        observed_on,
        customer_number
    from days_banded
    group by observed_on, customer_number
),

gaps as (
    select
        observed_on,
        customer_number,
        age_days - lag(age_days) over (
            partition by observed_on, customer_number
            order by age_days nulls last
        ) as gap_days
    from days
    where kind = 'order'
),

gap_indicators as (
    select
        observed_on,
        customer_number,
        {{ median('gap_days') }} as order_median_gap_days
    from gaps
    where gap_days is not null
    group by observed_on, customer_number
),

-- Of each thing the latest day: it is among the last days where that is.
things as (
    select
        observation_days.observed_on,
        scored.customer_number,
        'store' as thing_kind,
        orders.place_key as thing,
        {{ days_between('orders.order_date', 'observation_days.observed_on') }}
            as age_days
    from {{ ref('orders') }} as orders
    inner join scored on orders.customer_id = scored.customer_id
    inner join observation_days on orders.order_date <= observation_days.observed_on
    where orders.place_key is not null
    union all
    select
        observation_days.observed_on,
        scored.customer_number,
        'category' as thing_kind,
        products.category as thing,
        {{ days_between('order_lines.order_date', 'observation_days.observed_on') }}
            as age_days
    from {{ ref('order_lines') }} as order_lines
    inner join scored on order_lines.customer_id = scored.customer_id
    inner join {{ ref('products') }} as products
        on order_lines.product_key = products.product_key
    inner join observation_days
        on order_lines.order_date <= observation_days.observed_on
    where
        products.category is not null
        and (order_lines.gross_amount != 0 or order_lines.returned_amount = 0)
),

things_bought as (
    select
        observed_on,
        customer_number,
        thing_kind,
        thing,
        min(age_days) as age_days
    from things
    group by observed_on, customer_number, thing_kind, thing
),

variety_indicators as (
    select
        {% for each in varied if each.aggregate is defined %}
        {{ each.aggregate }} as {{ each.name }},
        {% endfor %}
        observed_on,
        customer_number
    from things_bought
    group by observed_on, customer_number
),

traits_observed as (
    select
        observation_days.observed_on,
        identities.customer_id,
        attributes.attribute,
        max_by(
            attributes.value_number,
            {{ ordering([
                'attributes.observed_at', 'attributes.source',
                'attributes.attribute_id',
            ]) }}
        ) as value_number,
        max_by(
            attributes.value_text,
            {{ ordering([
                'attributes.observed_at', 'attributes.source',
                'attributes.attribute_id',
            ]) }}
        ) as value_text
    from {{ ref('feed_attributes') }} as attributes
    inner join identities
        on
            attributes.identifier_type = identities.identifier_type
            and attributes.identifier_value = identities.identifier_value
    inner join observation_days on attributes.observed_at < observation_days.ends_at
    group by
        observation_days.observed_on, identities.customer_id, attributes.attribute
),

trait_indicators as (
    select
        {% for each in traits %}
        max(
            case
                when attribute = {{ staged_literal(each.trait) }}
                    {% if each.measure == 'number' %}
                    then value_number
                    {% else %}
                    then
                        case
                            when value_number is null and value_text is null then 0
                            else 1
                        end
                    {% endif %}
            end
        ) as {{ each.name }},
        {% endfor %}
        observed_on,
        customer_id
    from traits_observed
    group by observed_on, customer_id
),

{% if owned %}
own_indicators as (
    select
        {% for each in owned %}
        {{ each.aggregate }} as {{ each.name }},
        {% endfor %}
        observed_on,
        customer_id
    from {{ actions }}
    group by observed_on, customer_id
),

-- What the same lines give of who has done nothing.
own_nothing as (
    select
        {% for each in owned %}
        {{ each.aggregate }} as {{ each.name }}
        {{- "," if not loop.last }}
        {% endfor %}
    from {{ actions }}
    where false
),

{% endif %}
put_together as (
    select
        known.customer_id,
        known.observed_on,
        cast(known.tenure_days as double) as tenure_days
        {%- for each in aggregated + daily + varied + traits + owned %},
        {%- set value = 'cast(' ~ each.pieces | join(' + ') ~ ' as double)' %}
        {%- if each.missing == '0' %}
        {%- set value = 'coalesce(' ~ value ~ ', 0)' %}
        {%- endif %}
        {{ value }}
        {{- ' / ' ~ each.factor if each.factor | default(1) != 1 }} as {{ each.name }}
        {%- endfor %}
    from known
    {%- for step in grouped + ['day', 'gap', 'variety'] %}
    left join {{ step }}_indicators
        on
            known.observed_on = {{ step }}_indicators.observed_on
            and known.customer_number = {{ step }}_indicators.customer_number
    {%- endfor %}
    {%- for step in ['trait'] + (['own'] if owned else []) %}
    left join {{ step }}_indicators
        on
            known.observed_on = {{ step }}_indicators.observed_on
            and known.customer_id = {{ step }}_indicators.customer_id
    {%- endfor %}
    {%- if owned %}
    cross join own_nothing
    {%- endif %}
),

final as (
    select
        *
        {%- for each in derived %},
        {{ each.expression }} as {{ each.name }}
        {%- endfor %}
    from put_together
)

select * from final
{%- endif -%}
