with

evaluated as (
    {% if var('models') %}
    select
        model,
        population,
        metric,
        value,
        lower_bound,
        upper_bound,
        limit_value,
        n,
        window_start,
        window_end,
        status,
        reason
    from {{ ref('int_lifetimes_evaluated') }}
    union all
    select
        predictions.model,
        predictions.population,
        predictions.metric,
        predictions.value,
        predictions.lower_bound,
        predictions.upper_bound,
        predictions.limit_value,
        predictions.n,
        {{ add_days('days.observed_on', 1) }} as window_start,
        coalesce(
            {{ add_days('days.observed_on', var('horizon_days')) }}, {{ as_of() }}
        ) as window_end,
        predictions.status,
        predictions.reason
    from {{ ref('int_predictions_evaluated') }} as predictions
    left join {{ ref('int_observation_days') }} as days
        on predictions.role = days.role
    union all
    select
        'recommendations' as model,
        'all' as population,
        metric,
        value,
        lower_bound,
        upper_bound,
        limit_value,
        n,
        window_start,
        window_end,
        status,
        reason
    from {{ ref('int_recommendations_evaluated') }}
    {% else %}
    {{ no_rows() }}
    {% endif %}
),

models as (
    {% for model in [
        'bg_nbd', 'gamma_gamma', 'buys_again', 'pays_again', 'becomes_vip',
        'recommendations'
    ] %}
    select '{{ model }}' as model
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- A model that is switched off, or had nobody to be fitted to, says so.
with_all_models as (
    select
        models.model,
        coalesce(evaluated.population, 'all') as population,
        coalesce(
            evaluated.metric,
            case
                when models.model in ('bg_nbd', 'gamma_gamma') then 'repeat_buyers'
                when models.model = 'recommendations' then 'customers'
                else 'positives'
            end
        ) as metric,
        evaluated.value,
        evaluated.lower_bound,
        evaluated.upper_bound,
        evaluated.limit_value,
        coalesce(evaluated.n, 0) as n,
        evaluated.window_start,
        coalesce(evaluated.window_end, {{ as_of() }}) as window_end,
        coalesce(
            evaluated.status,
            {% if var('models') %}'refused'{% else %}'switched_off'{% endif %}
        ) as status,
        case
            when evaluated.model is not null then evaluated.reason
            {% if var('models') %}
            when models.model = 'recommendations'
                then 'nobody to whom something may be offered has bought'
            else 'nobody who may be scored has bought'
            {% else %}
            else 'models is false in company.yml'
            {% endif %}
        end as reason
    from models
    left join evaluated on models.model = evaluated.model
),

final as (
    select
        model,
        population,
        metric,
        value,
        lower_bound,
        upper_bound,
        limit_value,
        n,
        window_start,
        window_end,
        status,
        reason,
        case
            when metric = 'hit_rate_gained_at_10'
                then 'learnt from the days before window_start, normal interval'
            when model = 'recommendations'
                then 'learnt from the days before window_start, intervals after Wilson'
            when metric like 'held_out%' then 'fitted to the days before window_start'
            when model in ('bg_nbd', 'gamma_gamma')
                then 'maximum likelihood, intervals after Wald'
            when metric in ('positives', 'indicators', 'threshold')
                then 'logistic regression, calibrated on customers held out in turn'
            when metric in ('auc', 'baseline_auc', 'auc_gained')
                then 'fitted to the horizon before window_start, intervals after DeLong'
            when metric in ('brier_score', 'calibration_slope')
                then 'fitted to the horizon before window_start, normal intervals'
            else 'fitted to the horizon before window_start, intervals after Wilson'
        end as method,
        {{ as_of() }} as as_of_date
    from with_all_models
)

select * from final
