with

evaluated as (
    {% if var('models') %}
    select * from {{ ref('int_lifetimes_evaluated') }}
    {% else %}
    {{ no_rows() }}
    {% endif %}
),

models as (
    select 'bg_nbd' as model
    union all
    select 'gamma_gamma' as model
),

-- A model that is switched off, or had nobody to be fitted to, says so.
with_all_models as (
    select
        models.model,
        coalesce(evaluated.population, 'all') as population,
        coalesce(evaluated.metric, 'repeat_buyers') as metric,
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
            when metric like 'held_out%' then 'fitted to the days before window_start'
            else 'maximum likelihood, intervals after Wald'
        end as method,
        {{ as_of() }} as as_of_date
    from with_all_models
)

select * from final
