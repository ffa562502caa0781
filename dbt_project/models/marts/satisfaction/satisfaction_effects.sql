{#- Links of the chain: cause, effect, and what is a step of the cause. -#}
{%- set links = [
    ('service_quality', 'satisfaction', 10),
    ('satisfaction', 'loyalty', 10),
    ('loyalty', 'revenue', 1),
    ('satisfaction', 'revenue', 10),
] -%}
{%- set lags = [3, 6, 12, 24, 36, 48] -%}
{%- set steps = {
    'service_quality': 'rated the service 10 points of 100 better',
    'satisfaction': 'were 10 points of 100 more satisfied',
    'loyalty': 'bought on one day more',
} -%}
{%- set units = {
    'satisfaction': 'points of 100 in satisfaction',
    'loyalty': 'days with a purchase in the quarter',
    'revenue': 'of revenue in the quarter',
} -%}
with

-- How far each answer lies above those of others to the same question in the same
-- quarter, of a scale from 0 to 100: surveys whose levels differ are never mixed.
answers as (
    select
        customer_id,
        case
            when dimension is not null or factor is not null then 'service_quality'
            else 'satisfaction'
        end as subject,
        source,
        survey,
        measure,
        dimension,
        factor,
        scale_min,
        scale_max,
        cast(date_trunc('quarter', answered_date) as date) as quarter,
        100 * (score - scale_min) / nullif(scale_max - scale_min, 0) as points
    from {{ ref('int_answers_placed') }}
    where
        customer_id is not null
        and measure != 'expectation'
        and (dimension is not null or factor is not null or measure in ('csat', 'nps'))
),

questions as (
    select
        source,
        survey,
        measure,
        coalesce(dimension, '') as dimension,
        coalesce(factor, '') as factor,
        scale_min,
        scale_max,
        quarter,
        {{ exact_sum('points') }} / count(points) as mean_points
    from answers
    group by
        source,
        survey,
        measure,
        coalesce(dimension, ''),
        coalesce(factor, ''),
        scale_min,
        scale_max,
        quarter
),

opinions as (
    select
        answers.customer_id,
        answers.quarter,
        {% for subject in ['service_quality', 'satisfaction'] %}
        {{ exact_sum(
            "case when answers.subject = '" ~ subject
            ~ "' then answers.points - questions.mean_points end"
        ) }}
        / nullif(count(case when answers.subject = '{{ subject }}' then 1 end), 0)
            as {{ subject }},
        {% endfor %}
        count(*) as answer_count
    from answers
    inner join questions
        on
            answers.source = questions.source
            and answers.survey = questions.survey
            and answers.measure = questions.measure
            and coalesce(answers.dimension, '') = questions.dimension
            and coalesce(answers.factor, '') = questions.factor
            and answers.scale_min = questions.scale_min
            and answers.scale_max = questions.scale_max
            and answers.quarter = questions.quarter
    group by answers.customer_id, answers.quarter
),

purchases as (
    select
        customer_id,
        cast(date_trunc('quarter', month) as date) as quarter,
        cast(sum(purchase_day_count) as double) as loyalty,
        cast(sum(revenue_amount) as double) as revenue
    from {{ ref('customer_months') }}
    where customer_id != 'unidentified'
    group by customer_id, cast(date_trunc('quarter', month) as date)
),

quarters as (
    select
        purchases.customer_id,
        purchases.quarter,
        purchases.loyalty,
        purchases.revenue,
        opinions.service_quality,
        opinions.satisfaction
    from purchases
    left join opinions
        on
            purchases.customer_id = opinions.customer_id
            and purchases.quarter = opinions.quarter
    where {{ add_months('purchases.quarter', 3) }} <= {{ add_days(as_of(), 1) }}
),

listed as (
    {% for cause, effect, step in links %}
    {% set outer = loop %}
    {% for lag in lags %}
    select
        '{{ cause }}' as cause,
        '{{ effect }}' as effect,
        {{ lag }} as lag_months,
        {{ step }} as cause_step,
        '{{ steps[cause] }}' as step_words,
        '{{ units[effect] }}' as effect_unit
    {{ "union all" if not (loop.last and outer.last) }}
    {% endfor %}
    {% endfor %}
),

causes as (
    {% for cause, effect, step in links %}
    select
        '{{ cause }}' as cause,
        '{{ effect }}' as effect,
        customer_id,
        quarter,
        {{ cause }} as cause_value
    from quarters
    where {{ cause }} is not null
    {{ "union all" if not loop.last }}
    {% endfor %}
),

effects as (
    {% for effect in ['satisfaction', 'loyalty', 'revenue'] %}
    select
        '{{ effect }}' as effect,
        customer_id,
        quarter,
        {{ effect }} as effect_value
    from quarters
    where {{ effect }} is not null
    {{ "union all" if not loop.last }}
    {% endfor %}
),

lagged as (
    select
        causes.cause,
        causes.effect,
        listed.lag_months,
        causes.customer_id,
        causes.quarter,
        causes.cause_value,
        {{ add_months('causes.quarter', 'listed.lag_months') }} as effect_quarter
    from causes
    inner join listed
        on causes.cause = listed.cause and causes.effect = listed.effect
),

pairs as (
    select
        lagged.cause,
        lagged.effect,
        lagged.lag_months,
        lagged.customer_id,
        lagged.quarter,
        lagged.cause_value,
        effects.effect_value
    from lagged
    inner join effects
        on
            lagged.effect = effects.effect
            and lagged.customer_id = effects.customer_id
            and lagged.effect_quarter = effects.quarter
),

-- Customers are compared within a quarter: seasons and growth of the business are none
-- of their differences.
means as (
    select
        cause,
        effect,
        lag_months,
        quarter,
        cast(sum(cast(cause_value as decimal(38, 6))) as double) / count(*)
            as cause_mean,
        cast(sum(cast(effect_value as decimal(38, 6))) as double) / count(*)
            as effect_mean
    from pairs
    group by cause, effect, lag_months, quarter
),

centred as (
    select
        pairs.cause,
        pairs.effect,
        pairs.lag_months,
        pairs.customer_id,
        pairs.quarter,
        pairs.cause_value - means.cause_mean as x,
        pairs.effect_value - means.effect_mean as y
    from pairs
    inner join means
        on
            pairs.cause = means.cause
            and pairs.effect = means.effect
            and pairs.lag_months = means.lag_months
            and pairs.quarter = means.quarter
),

fitted as (
    select
        cause,
        effect,
        lag_months,
        count(*) as n,
        count(distinct customer_id) as customer_count,
        count(distinct quarter) as quarter_count,
        cast(sum(cast(x * x as decimal(38, 6))) as double) as xx,
        cast(sum(cast(x * y as decimal(38, 6))) as double) as xy,
        cast(sum(cast(y * y as decimal(38, 6))) as double) as yy
    from centred
    group by cause, effect, lag_months
),

-- Customers are the clusters: what one does in several quarters is not independent.
by_customer as (
    select
        centred.cause,
        centred.effect,
        centred.lag_months,
        centred.customer_id,
        cast(
            sum(
                cast(
                    centred.x * (centred.y - fitted.xy / fitted.xx * centred.x)
                    as decimal(38, 6)
                )
            ) as double
        ) as score
    from centred
    inner join fitted
        on
            centred.cause = fitted.cause
            and centred.effect = fitted.effect
            and centred.lag_months = fitted.lag_months
    where fitted.xx > 0
    group by centred.cause, centred.effect, centred.lag_months, centred.customer_id
),

spread as (
    select
        cause,
        effect,
        lag_months,
        cast(sum(cast(score * score as decimal(38, 6))) as double) as squares
    from by_customer
    group by cause, effect, lag_months
),

latest as (
    select max(quarter) as last_quarter
    from quarters
),

-- From the first quarter with a cause to the last that is over.
spans as (
    select
        causes.cause,
        causes.effect,
        {{ months_between('min(causes.quarter)', 'max(latest.last_quarter)') }}
            as span_months
    from causes
    cross join latest
    group by causes.cause, causes.effect
),

estimated as (
    select
        listed.cause,
        listed.effect,
        listed.lag_months,
        listed.cause_step,
        listed.step_words,
        listed.effect_unit,
        coalesce(fitted.n, 0) as n,
        coalesce(fitted.customer_count, 0) as customer_count,
        coalesce(fitted.quarter_count, 0) as quarter_count,
        spans.span_months,
        fitted.xx,
        fitted.yy,
        case
            when
                fitted.customer_count >= {{ var('minimum_answers') }}
                and fitted.n > fitted.quarter_count + 1
                and fitted.xx > 0
                and fitted.yy > 0
                then listed.cause_step * fitted.xy / fitted.xx
        end as effect_change,
        fitted.xy / nullif(sqrt(fitted.xx * fitted.yy), 0) as correlation,
        listed.cause_step * sqrt(
            spread.squares * fitted.customer_count
            / nullif(fitted.customer_count - 1, 0)
            * (fitted.n - 1)
            / nullif(fitted.n - fitted.quarter_count - 1, 0)
        ) / nullif(fitted.xx, 0) as standard_error
    from listed
    left join fitted
        on
            listed.cause = fitted.cause
            and listed.effect = fitted.effect
            and listed.lag_months = fitted.lag_months
    left join spread
        on
            listed.cause = spread.cause
            and listed.effect = spread.effect
            and listed.lag_months = spread.lag_months
    left join spans on listed.cause = spans.cause and listed.effect = spans.effect
),

bounded as (
    select
        *,
        effect_change - standard_error * {{ student_quantile('(customer_count - 1)') }}
            as interval_low,
        effect_change + standard_error * {{ student_quantile('(customer_count - 1)') }}
            as interval_high
    from estimated
),

final as (
    select
        cause,
        effect,
        cast(lag_months as bigint) as lag_months,
        cast(cause_step as bigint) as cause_step,
        effect_unit,
        effect_change,
        case when effect_change is not null then standard_error end as standard_error,
        interval_low,
        interval_high,
        interval_low > 0 or interval_high < 0 as is_told_apart,
        case when effect_change is not null then correlation end as correlation,
        n,
        customer_count,
        quarter_count,
        case
            when effect_change is not null
                then
                    'Association, no proof of a cause: customers who ' || step_words
                    || ' than others in the same quarter differed '
                    || cast(lag_months as string) || ' months later by '
                    || cast(cast(round(effect_change, 2) as decimal(18, 2)) as string)
                    || ' ' || effect_unit || ' (95 % interval '
                    || cast(cast(round(interval_low, 2) as decimal(18, 2)) as string)
                    || ' to '
                    || cast(cast(round(interval_high, 2) as decimal(18, 2)) as string)
                    || ')'
        end as words,
        case
            when effect_change is not null then null
            when span_months is null then 'nothing is known of ' || cause
            when span_months < lag_months
                then
                    'history too short: ' || cast(span_months as string)
                    || ' months, ' || cast(lag_months as string) || ' are required'
            when customer_count < {{ var('minimum_answers') }}
                then 'fewer than {{ var("minimum_answers") }} customers with both'
            else 'all customers alike'
        end as missing_reason,
        'regression within quarters; Student interval of 95 %, customers as clusters'
            as method,
        {{ as_of() }} as as_of_date
    from bounded
)

select * from final
