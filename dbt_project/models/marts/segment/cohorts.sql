with

customer_months as (
    select
        *,
        {{ months_between('cohort_month', 'month') }} as period_number
    from {{ ref('customer_months') }}
    where month >= cohort_month
),

cells as (
    select distinct
        cohort,
        cohort_month,
        period_number,
        month as period_month,
        is_complete
    from customer_months
),

-- Most months are empty. They make cells and nothing else.
months as (
    select
        customer_id,
        cohort,
        period_number,
        is_active,
        revenue_amount
    from customer_months
    where is_active or revenue_amount != 0
),

first_revenues as (
    select
        customer_id,
        cohort,
        revenue_amount
    from months
    where period_number = 0 and revenue_amount > 0
),

first_totals as (
    select
        cohort,
        sum(revenue_amount) as revenue_amount
    from first_revenues
    group by cohort
),

sums as (
    select
        cohort,
        period_number,
        count(*) filter (where is_active) as active_count,
        sum(revenue_amount) as revenue_amount
    from months
    group by cohort, period_number
),

-- Per customer, so that a customer who spends more does not hide one who left.
kept as (
    select
        months.cohort,
        months.period_number,
        sum(least(months.revenue_amount, first_revenues.revenue_amount))
            as revenue_amount
    from months
    inner join first_revenues on months.customer_id = first_revenues.customer_id
    where months.revenue_amount > 0
    group by months.cohort, months.period_number
),

last_active_periods as (
    select
        customer_id,
        cohort,
        max(period_number) as period_number
    from months
    where is_active
    group by customer_id, cohort
),

last_active_counts as (
    select
        cohort,
        period_number,
        count(*) as customer_count
    from last_active_periods
    group by cohort, period_number
),

sizes as (
    select
        cohort,
        count(*) as customer_count
    from last_active_periods
    group by cohort
),

counted as (
    select
        cells.cohort,
        cells.cohort_month,
        cells.period_number,
        cells.period_month,
        cells.is_complete,
        sizes.customer_count as cohort_size,
        coalesce(sums.active_count, 0) as active_count,
        cast(
            sum(coalesce(last_active_counts.customer_count, 0)) over (
                partition by cells.cohort
                order by cells.period_number desc
                rows between unbounded preceding and current row
            ) as bigint
        ) as active_or_later_count,
        coalesce(sums.revenue_amount, 0) as revenue_amount,
        coalesce(kept.revenue_amount, 0) as kept_amount,
        first_totals.revenue_amount as first_amount
    from cells
    inner join sizes on cells.cohort = sizes.cohort
    left join first_totals on cells.cohort = first_totals.cohort
    left join sums
        on
            cells.cohort = sums.cohort
            and cells.period_number = sums.period_number
    left join kept
        on
            cells.cohort = kept.cohort
            and cells.period_number = kept.period_number
    left join last_active_counts
        on
            cells.cohort = last_active_counts.cohort
            and cells.period_number = last_active_counts.period_number
),

final as (
    select
        cohort,
        cohort_month,
        period_number,
        period_month,
        is_complete,
        cohort_size,
        case when is_complete then active_count end as active_count,
        case
            when is_complete then 100 * cast(active_count as double) / cohort_size
        end as retention_pct,
        case when is_complete then active_or_later_count end as active_or_later_count,
        case
            when is_complete
                then 100 * cast(active_or_later_count as double) / cohort_size
        end as unbounded_retention_pct,
        case
            when is_complete then cast(revenue_amount as decimal(18, 2))
        end as revenue_amount,
        case
            when is_complete
                then {{ percent_of('kept_amount', 'first_amount') }}
        end as gross_revenue_retention_pct,
        cohort_size as n,
        'calendar months, {{ var("time_zone") }}' as method,
        {{ as_of() }} as as_of_date
    from counted
)

select * from final
