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

-- Who first buys on the 20th has eleven days in their first month: set against it, any
-- whole month would look like revenue retained. So the first whole month is the base.
bases as (
    select
        *,
        cast(
            case
                when cohort = 'earlier' and cohort_month >= {{ first_day() }} then 0
                else 1
            end as bigint
        ) as base_period_number
    from cells
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

base_revenues as (
    select
        months.customer_id,
        months.cohort,
        months.revenue_amount
    from months
    inner join bases
        on
            months.cohort = bases.cohort
            and months.period_number = bases.period_number
    where
        bases.period_number = bases.base_period_number
        and bases.is_complete
        and months.revenue_amount > 0
),

base_totals as (
    select
        cohort,
        count(*) as customer_count,
        sum(revenue_amount) as revenue_amount
    from base_revenues
    group by cohort
),

base_months as (
    select
        cohort,
        is_complete
    from bases
    where period_number = base_period_number
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
        sum(months.revenue_amount) as net_amount,
        sum(
            least(
                greatest(months.revenue_amount, cast(0 as decimal(18, 2))),
                base_revenues.revenue_amount
            )
        ) as gross_amount
    from months
    inner join base_revenues on months.customer_id = base_revenues.customer_id
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
        bases.cohort,
        bases.cohort_month,
        bases.period_number,
        bases.period_month,
        bases.is_complete,
        sizes.customer_count as cohort_size,
        coalesce(sums.active_count, 0) as active_count,
        cast(
            sum(coalesce(last_active_counts.customer_count, 0)) over (
                partition by bases.cohort
                order by bases.period_number desc
                rows between unbounded preceding and current row
            ) as bigint
        ) as active_or_later_count,
        coalesce(sums.revenue_amount, 0) as revenue_amount,
        bases.base_period_number,
        case
            when base_months.is_complete
                then coalesce(base_totals.customer_count, 0)
        end as base_customer_count,
        case
            when base_months.is_complete
                then coalesce(base_totals.revenue_amount, 0)
        end as base_revenue_amount,
        coalesce(kept.net_amount, 0) as net_amount,
        coalesce(kept.gross_amount, 0) as gross_amount,
        case
            when bases.period_month < {{ first_day() }}
                then 'the data begin in mid-month'
            when not bases.is_complete then 'the month is not over'
            when bases.period_number < bases.base_period_number
                then 'no revenue retention: the first month is not whole'
            when base_totals.revenue_amount is null
                then 'no revenue retention: no revenue in the first whole month'
        end as missing_reason
    from bases
    inner join sizes on bases.cohort = sizes.cohort
    left join base_months on bases.cohort = base_months.cohort
    left join base_totals on bases.cohort = base_totals.cohort
    left join sums
        on
            bases.cohort = sums.cohort
            and bases.period_number = sums.period_number
    left join kept
        on
            bases.cohort = kept.cohort
            and bases.period_number = kept.period_number
    left join last_active_counts
        on
            bases.cohort = last_active_counts.cohort
            and bases.period_number = last_active_counts.period_number
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
        base_period_number,
        base_customer_count,
        cast(base_revenue_amount as decimal(18, 2)) as base_revenue_amount,
        case
            when missing_reason is null
                then {{ percent_of('net_amount', 'base_revenue_amount') }}
        end as net_revenue_retention_pct,
        case
            when missing_reason is null
                then {{ percent_of('gross_amount', 'base_revenue_amount') }}
        end as gross_revenue_retention_pct,
        missing_reason,
        cohort_size as n,
        'calendar months, {{ var("time_zone") }}' as method,
        {{ as_of() }} as as_of_date
    from counted
)

select * from final
