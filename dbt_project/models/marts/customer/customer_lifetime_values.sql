{%- set horizons = [3, 6, 12] -%}
{%- set margin_pct = var('margin_pct') -%}
{%- if not var('models') -%}
{{ no_rows() }}
{%- else -%}
with

histories as (
    select * from {{ ref('int_purchase_histories') }}
),

predicted as (
    select * from {{ ref('int_lifetimes_predicted') }}
),

purchases_evaluated as (
    select * from {{ ref('int_lifetimes_evaluated') }}
    where model = 'bg_nbd' and metric = 'repeat_buyers'
),

amounts_evaluated as (
    select * from {{ ref('int_lifetimes_evaluated') }}
    where model = 'gamma_gamma' and metric = 'repeat_buyers'
),

customer_values as (
    select * from {{ ref('customer_values') }}
),

orders as (
    select * from {{ ref('orders') }}
    where margin_amount is not null
),

margins as (
    select
        coalesce(
            cast({{ 'null' if margin_pct is none else margin_pct }} as double),
            case
                when sum(revenue_amount) > 0
                    then {{ percent_of('sum(margin_amount)', 'sum(revenue_amount)') }}
            end,
            100
        ) as margin_pct
    from orders
),

valued as (
    select
        histories.customer_id,
        histories.population,
        histories.repeat_count,
        histories.first_to_last_days,
        histories.days_since_first_order,
        {{ mean_amount('histories.repeat_amount', 'histories.repeat_count') }}
            as average_repeat_amount,
        customer_values.revenue_amount,
        predicted.alive_probability,
        {% for months in horizons %}
        predicted.expected_purchases_{{ months }}_months,
        {% endfor %}
        predicted.expected_amount,
        {% for months in horizons %}
        cast(
            predicted.discounted_purchases_{{ months }}_months
            * predicted.expected_amount * margins.margin_pct / 100.0e0
            as decimal(18, 2)
        ) as value_{{ months }}_months_amount,
        {% endfor %}
        margins.margin_pct,
        coalesce(
            'bg_nbd: ' || purchases_evaluated.reason,
            'gamma_gamma: ' || amounts_evaluated.reason,
            case
                when
                    predicted.alive_probability is null
                    or predicted.expected_amount is null
                    then 'what was bought again was given back'
            end
        ) as missing_reason,
        purchases_evaluated.n
    from histories
    inner join predicted on histories.customer_id = predicted.customer_id
    inner join customer_values
        on histories.customer_id = customer_values.customer_id
    left join purchases_evaluated
        on histories.population = purchases_evaluated.population
    left join amounts_evaluated
        on histories.population = amounts_evaluated.population
    cross join margins
),

final as (
    select
        customer_id,
        population,
        repeat_count,
        first_to_last_days,
        days_since_first_order,
        average_repeat_amount,
        revenue_amount,
        alive_probability,
        {% for months in horizons %}
        expected_purchases_{{ months }}_months,
        {% endfor %}
        cast(expected_amount as decimal(18, 2)) as expected_purchase_amount,
        {% for months in horizons %}
        value_{{ months }}_months_amount,
        {% endfor %}
        margin_pct,
        cast({{ var('monthly_discount_pct') }} as double) as monthly_discount_pct,
        missing_reason,
        n,
        'BG/NBD and Gamma-Gamma, maximum likelihood' as method,
        {{ as_of() }} as as_of_date
    from valued
)

select * from final
{%- endif %}
