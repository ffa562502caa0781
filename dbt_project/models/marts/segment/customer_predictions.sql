{%- if not var('models') -%}
{{ no_rows() }}
{%- else -%}
with

predictions as (
    select * from {{ ref('int_predictions') }}
),

evaluated as (
    select * from {{ ref('int_predictions_evaluated') }}
    where metric = 'positives'
),

final as (
    select
        predictions.customer_id,
        predictions.question,
        predictions.probability,
        predictions.is_foretold,
        cast({{ var('horizon_days') }} as bigint) as horizon_days,
        {{ add_days(as_of(), var('horizon_days')) }} as foretold_until,
        evaluated.reason as missing_reason,
        evaluated.n,
        'logistic regression on indicators, calibrated' as method,
        {{ as_of() }} as as_of_date
    from predictions
    inner join evaluated on predictions.question = evaluated.model
)

select * from final
{%- endif %}
