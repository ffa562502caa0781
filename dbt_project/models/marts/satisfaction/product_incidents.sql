{#- Score interval of a rate of events: Wilson's, for counts without an upper end. -#}
{%- set z = 1.959963984540054 -%}
with

complaints as (
    select * from {{ ref('complaints') }}
    where product_key is not null and kind in ('complaint', 'claim', 'repair')
),

order_lines as (
    select * from {{ ref('order_lines') }}
    where is_purchase and quantity > 0 and product_key is not null
),

products as (
    select * from {{ ref('products') }}
),

-- Year 0 ends with the as-of date, year 1 is the one before.
dated as (
    select
        product_key,
        floor({{ days_between('order_date', as_of()) }} / 365.0e0) as years_ago,
        quantity as units,
        0 as incident,
        0 as complaint
    from order_lines
    union all
    select
        product_key,
        floor({{ days_between('opened_date', as_of()) }} / 365.0e0) as years_ago,
        0 as units,
        1 as incident,
        case when kind = 'repair' then 0 else 1 end as complaint
    from complaints
),

counted as (
    select
        product_key,
        sum(case when years_ago = 0 then units else 0 end) as units,
        sum(case when years_ago = 0 then incident else 0 end) as incident_count,
        sum(case when years_ago = 0 then complaint else 0 end) as complaint_count,
        sum(case when years_ago = 1 then units else 0 end) as units_before,
        sum(case when years_ago = 1 then incident else 0 end) as incident_count_before
    from dated
    where years_ago in (0, 1)
    group by product_key
),

totals as (
    select
        1000 * cast(sum(incident_count) as double)
        / nullif(cast(sum(units) as double), 0) as usual_rate
    from counted
),

rated as (
    select
        counted.*,
        totals.usual_rate,
        counted.units >= {{ var('minimum_answers') }} as is_enough,
        cast(counted.units as double) as exposure,
        case
            when counted.units_before >= {{ var('minimum_answers') }}
                then
                    1000 * cast(counted.incident_count_before as double)
                    / cast(counted.units_before as double)
        end as rate_before
    from counted
    cross join totals
),

final as (
    select
        rated.product_key,
        products.name,
        products.category,
        cast(rated.incident_count as bigint) as incident_count,
        cast(rated.complaint_count as bigint) as complaint_count,
        cast(rated.units as decimal(18, 3)) as n,
        case when rated.is_enough then 1000 * rated.incident_count / rated.exposure end
            as incidents_per_1000,
        {% for bound, sign in {'interval_low': '-', 'interval_high': '+'}.items() %}
        case
            when rated.is_enough
                then
                    1000 * greatest(
                        rated.incident_count + {{ z**2 / 2 }}e0
                        {{ sign }} {{ z }}e0 * sqrt(
                            rated.incident_count + {{ z**2 / 4 }}e0
                        ),
                        0
                    ) / rated.exposure
        end as {{ bound }},
        {% endfor %}
        case when rated.is_enough then 'score interval of a Poisson rate' end as method,
        case
            when not rated.is_enough
                then 'fewer than {{ var("minimum_answers") }} units sold'
        end as missing_reason,
        rated.usual_rate as usual_per_1000,
        cast(rated.incident_count_before as bigint) as incident_count_before,
        cast(rated.units_before as decimal(18, 3)) as units_before,
        rated.rate_before as incidents_per_1000_before,
        case
            when not rated.is_enough or rated.rate_before is null then null
            when
                abs(1000 * rated.incident_count / rated.exposure - rated.rate_before)
                <= {{ z }}e0 * 1000 * sqrt(
                    rated.incident_count / power(rated.exposure, 2)
                    + rated.incident_count_before
                    / power(cast(rated.units_before as double), 2)
                )
                then 'no clear change'
            when 1000 * rated.incident_count / rated.exposure > rated.rate_before
                then 'rising'
            else 'falling'
        end as trend,
        {{ as_of() }} as as_of_date
    from rated
    left join products on rated.product_key = products.product_key
)

select * from final
