{#- Logarithms of prices are whole numbers, in hundredths of a per cent: their sums do
    not depend on the order of rows. -#}
{%- set wide = 'decimal(38, 9)' -%}
{%- set bands = {'low': '0', 'middle': '1 / 3.0e0', 'high': '2 / 3.0e0'} -%}
with

month_purchases as (
    select
        customer_id,
        month,
        case when order_count > 0 then 1 else 0 end as is_bought,
        row_number() over (
            partition by customer_id order by month nulls last
        ) - 1 as months_before
    from {{ ref('customer_months') }}
    where customer_id != 'unidentified'
),

-- How sticky a customer was when the month began, by the twelve months before.
stuck as (
    select
        customer_id,
        month,
        months_before,
        cast(
            sum(is_bought) over (
                partition by customer_id
                order by month nulls last
                rows between 12 preceding and 1 preceding
            ) as double
        ) / least(months_before, 12) as bought_share
    from month_purchases
),

banded as (
    select
        customer_id,
        month,
        case
            {%- for band, least in bands.items() | reverse %}
            when bought_share >= {{ least }} then '{{ band }}'
            {%- endfor %}
        end as stickiness
    from stuck
    where months_before > 0
),

months as (
    select
        month,
        stickiness,
        count(*) as customer_count
    from banded
    group by month, stickiness
),

bought_lines as (
    select
        customer_id,
        product_key,
        cast(date_trunc('week', order_date) as date) as week_start,
        coalesce(
            cast(unit_price_amount as double),
            cast(gross_amount as double) / cast(quantity as double)
        ) as price
    from {{ ref('order_lines') }}
    where is_purchase and product_key is not null and quantity > 0
),

lines as (
    select
        customer_id,
        product_key,
        week_start,
        cast(round(10000 * ln(price)) as bigint) as log_price
    from bought_lines
    where price > 0
),

-- Whole weeks of one year: shorter ones would seem weak.
dated as (
    select
        *,
        {{ month_of('week_start') }} as month,
        cast(date_trunc('year', week_start) as date) as period_start
    from lines
    where
        {{ add_days('week_start', 6) }} <= {{ as_of() }}
        and week_start >= {{ first_day() }}
        and extract(year from {{ add_days('week_start', 6) }})
        = extract(year from week_start)
),

weeks as (
    select
        period_start,
        product_key,
        week_start,
        month,
        count(*) as line_count,
        sum(log_price) as log_sum,
        sum(log_price * log_price) as square_sum,
        cast(sum(log_price) as double) / count(*) as log_price
    from dated
    group by period_start, product_key, week_start, month
),

products as (
    select
        period_start,
        product_key,
        count(*) as week_count,
        sum(line_count) as line_count,
        cast(sum(log_sum) as double) / sum(line_count) as mean_log_price,
        sum(square_sum) - cast(sum(log_sum) as double) * sum(log_sum) / sum(line_count)
            as squares,
        {{ median('log_price') }} as usual_log_price
    from weeks
    group by period_start, product_key
    having
        count(*) >= 20
        and 7 * sum(line_count)
        >= 4 * ({{ days_between('min(week_start)', 'max(week_start)') }} + 7)
),

-- Variance between weeks, beyond what customers of one week pay differently, in the
-- whole (analysis of variance with random effects).
squared as (
    select
        products.period_start,
        products.product_key,
        products.week_count,
        products.line_count,
        products.squares,
        products.usual_log_price,
        {{ exact_sum(
            'weeks.line_count * power(weeks.log_price - products.mean_log_price, 2)',
            wide
        ) }} as between_squares
    from products
    inner join weeks
        on
            products.period_start = weeks.period_start
            and products.product_key = weeks.product_key
    group by
        products.period_start, products.product_key, products.week_count,
        products.line_count, products.squares, products.usual_log_price
),

compared as (
    select
        period_start,
        product_key,
        usual_log_price,
        between_squares / (week_count - 1) as between_mean,
        greatest(squares - between_squares, 0) / (line_count - week_count)
            as within_mean,
        cast(line_count as double) / week_count as lines_per_week
    from squared
),

varying as (
    select
        *,
        between_mean > within_mean
        and (between_mean - within_mean) / lines_per_week >= within_mean as is_varying
    from compared
),

-- Weeks at the usual price, within 2 %, and at one that is lower by 5 % or more.
priced as (
    select
        weeks.period_start,
        weeks.product_key,
        weeks.week_start,
        weeks.month,
        cast(round(100 * (weeks.log_price - varying.usual_log_price)) as bigint)
            as log_change,
        case
            when weeks.log_price - varying.usual_log_price <= 10000 * ln(0.95e0) then 1
            else 0
        end as is_cut
    from weeks
    inner join varying
        on
            weeks.period_start = varying.period_start
            and weeks.product_key = varying.product_key
    where
        varying.is_varying
        and (
            weeks.log_price - varying.usual_log_price <= 10000 * ln(0.95e0)
            or abs(weeks.log_price - varying.usual_log_price) <= 200
        )
),

bought as (
    select
        dated.product_key,
        dated.week_start,
        banded.stickiness,
        count(*) as line_count
    from dated
    inner join priced
        on
            dated.product_key = priced.product_key
            and dated.week_start = priced.week_start
    inner join banded
        on
            dated.customer_id = banded.customer_id
            and dated.month = banded.month
    group by dated.product_key, dated.week_start, banded.stickiness
),

cells as (
    select
        priced.period_start,
        priced.product_key,
        priced.is_cut,
        priced.log_change,
        months.stickiness,
        months.customer_count,
        coalesce(bought.line_count, 0) as line_count
    from priced
    inner join months on priced.month = months.month
    left join bought
        on
            priced.product_key = bought.product_key
            and priced.week_start = bought.week_start
            and months.stickiness = bought.stickiness
),

by_product as (
    {% for stickiness in ["'all'", 'stickiness'] %}
    select
        period_start,
        {{ stickiness }} as stickiness,
        product_key,
        sum(case when is_cut = 1 then line_count else 0 end) as cut_count,
        sum(case when is_cut = 1 then customer_count else 0 end) as cut_customers,
        sum(case when is_cut = 0 then line_count else 0 end) as usual_count,
        sum(case when is_cut = 0 then customer_count else 0 end) as usual_customers,
        sum(case when is_cut = 1 then log_change * customer_count else 0 end)
            as weighted_change
    from cells
    group by period_start, product_key{{ ', stickiness' if not loop.first }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

expected as (
    select
        period_start,
        stickiness,
        product_key,
        cut_count,
        usual_count,
        cast(usual_count as double) / usual_customers * cut_customers as expected_count,
        cast(usual_count as double) / usual_customers * weighted_change / 1.0e6
            as expected_change
    from by_product
    where cut_customers > 0 and usual_count > 0
),

summed as (
    select
        period_start,
        stickiness,
        count(*) as product_count,
        sum(cut_count) as cut_count,
        sum(usual_count) as usual_count,
        {{ exact_sum('expected_count', wide) }} as expected_count,
        {{ exact_sum('expected_change', wide) }} as expected_change
    from expected
    group by period_start, stickiness
),

rated as (
    select
        *,
        expected_change / expected_count as log_change,
        cast(cut_count as double) / expected_count as ratio
    from summed
),

-- Products differ: they are the clusters.
spread as (
    select
        expected.period_start,
        expected.stickiness,
        sqrt(
            {{ exact_sum(
                'power((expected.cut_count - rated.ratio * expected.expected_count)'
                ~ ' / nullif(rated.cut_count, 0), 2)'
            ) }}
            * max(rated.product_count) / nullif(max(rated.product_count) - 1, 0)
        ) as ratio_error
    from expected
    inner join rated
        on
            expected.period_start = rated.period_start
            and expected.stickiness = rated.stickiness
    group by expected.period_start, expected.stickiness
),

years as (
    select distinct period_start from dated
),

looked_at as (
    select
        period_start,
        count(*) as watched_count,
        sum(case when is_varying then 1 else 0 end) as varying_count
    from varying
    group by period_start
),

listed as (
    select 'all' as stickiness
    {%- for band in bands %}
    union all
    select '{{ band }}' as stickiness
    {%- endfor %}
),

asked as (
    select
        years.period_start,
        listed.stickiness,
        coalesce(looked_at.watched_count, 0) as watched_count,
        coalesce(looked_at.varying_count, 0) as varying_count
    from years
    left join looked_at on years.period_start = looked_at.period_start
    cross join listed
),

judged as (
    select
        asked.period_start,
        asked.stickiness,
        asked.watched_count,
        asked.varying_count,
        coalesce(rated.product_count, 0) as product_count,
        coalesce(rated.cut_count, 0) as n,
        coalesce(rated.usual_count, 0) as usual_count,
        rated.log_change,
        rated.ratio,
        spread.ratio_error,
        case
            when asked.varying_count < 20
                then
                    'prices vary too little from week to week: they do for '
                    || cast(asked.varying_count as string) || ' of '
                    || cast(asked.watched_count as string)
                    || ' products sold often enough, 20 are required'
            when coalesce(rated.product_count, 0) < 20
                then
                    cast(coalesce(rated.product_count, 0) as string)
                    || ' products bought by them had weeks at a lower price, 20 are '
                    || 'required'
            when rated.cut_count < 100
                then
                    cast(rated.cut_count as string)
                    || ' purchases in weeks at a lower price, 100 are required'
        end as missing_reason
    from asked
    left join rated
        on
            asked.period_start = rated.period_start
            and asked.stickiness = rated.stickiness
    left join spread
        on
            asked.period_start = spread.period_start
            and asked.stickiness = spread.stickiness
),

final as (
    select
        period_start,
        least({{ add_days(add_months('period_start', 12), -1) }}, {{ as_of() }})
            as period_end,
        stickiness,
        case when missing_reason is null then ln(ratio) / log_change end
            as price_response,
        case
            when missing_reason is null
                then
                    (ln(ratio) + {{ normal_quantile() }} * ratio_error) / log_change
        end as price_response_low,
        case
            when missing_reason is null
                then
                    (ln(ratio) - {{ normal_quantile() }} * ratio_error) / log_change
        end as price_response_high,
        case when missing_reason is null then 100 * (exp(log_change) - 1) end
            as price_change_pct,
        case when missing_reason is null then 100 * (ratio - 1) end
            as purchase_change_pct,
        watched_count as watched_product_count,
        cast(varying_count as bigint) as varying_product_count,
        product_count,
        cast(n as bigint) as n,
        cast(usual_count as bigint) as usual_purchase_count,
        'purchases per customer in weeks at a lower price over those at the usual one, '
        || 'interval with products as clusters' as method,
        missing_reason,
        {{ as_of() }} as as_of_date
    from judged
)

select * from final
