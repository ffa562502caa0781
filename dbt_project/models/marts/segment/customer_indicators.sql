{%- set wide = ref('int_indicators') -%}
{%- set traits_from = ref('feed_attributes') -%}
{%- set registry = ref('indicators') -%}
{%- if execute -%}
{%- set declared = [] -%}
{%- do all_indicators(declared) -%}
with

indicators as (
    select * from {{ registry }}
    where status = 'used' or owner != 'kith'
),

observed as (
    select * from {{ wide }}
    where observed_on = {{ as_of() }}
),

listed as (
    select
        customer_id,
        indicator,
        value
    from observed unpivot (
        value for indicator in (
            {{ declared | map(attribute='name') | join(', ') }}
        )
    )
),

final as (
    select
        listed.customer_id,
        listed.indicator,
        listed.value,
        {{ as_of() }} as as_of_date
    from listed
    inner join indicators on listed.indicator = indicators.indicator
    where listed.value != 0
)

select * from final
{%- endif -%}
