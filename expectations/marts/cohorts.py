"""Nobody comes back who never came, and everybody belongs to one cohort."""

import great_expectations.expectations as gxe

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    gxe.ExpectColumnValuesToBeBetween(
        description="Retention from 0 to 100 %",
        severity=CRITICAL,
        column="retention_pct",
        min_value=0,
        max_value=100,
    ),
    gxe.ExpectColumnValuesToBeBetween(
        description="Unbounded retention from 0 to 100 %",
        severity=CRITICAL,
        column="unbounded_retention_pct",
        min_value=0,
        max_value=100,
    ),
    gxe.ExpectColumnValuesToBeBetween(
        description="Gross revenue retention from 0 to 100 %",
        severity=CRITICAL,
        column="gross_revenue_retention_pct",
        min_value=0,
        max_value=100,
    ),
    no_rows(
        (
            "In its first month the whole cohort is active, but that of customers "
            "known earlier"
        ),
        CRITICAL,
        """
        select cohort, period_number, active_count as active
        from {batch}
        where period_number = 0 and active_count <> cohort_size and cohort <> 'earlier'
        """,
    ),
    no_rows(
        "The first whole month retains all of its own revenue",
        CRITICAL,
        """
        select cohort, period_number, net_revenue_retention_pct as net
        from {batch}
        where period_number = base_period_number
            and (net_revenue_retention_pct <> 100 or gross_revenue_retention_pct <> 100)
        """,
    ),
    no_rows(
        "Who comes back later is fewer each month, and never fewer than who is there",
        CRITICAL,
        """
        select cohort, period_number
        from {batch}
        qualify active_or_later_count > lag(active_or_later_count) over (
                partition by cohort order by period_number nulls last
            )
            or active_or_later_count < active_count
        """,
    ),
    no_rows(
        "Active customers and revenue of all cohorts are those of customer_months",
        CRITICAL,
        """
        select period_month, active, active_in_month, revenue, revenue_in_month
        from (
            select
                period_month,
                sum(active_count) as active,
                sum(revenue_amount) as revenue
            from {batch}
            where is_complete
            group by period_month
        )
        full join (
            select
                month,
                count(*) filter (where is_active) as active_in_month,
                sum(revenue_amount) as revenue_in_month
            from customer.customer_months
            where is_complete and month >= cohort_month
            group by month
        )
            on period_month = month
        where active is distinct from active_in_month
            or revenue is distinct from revenue_in_month
        """,
    ),
    no_rows(
        "Everybody who ever bought belongs to one cohort",
        CRITICAL,
        """
        select cohort_members, buyers
        from (
            select coalesce(sum(cohort_size), 0) as cohort_members
            from {batch}
            where period_number = 0
        )
        cross join (
            select count(*) as buyers
            from customer.customer_values
            where order_count > 0 and customer_id <> 'unidentified'
        )
        where cohort_members <> buyers
        """,
    ),
]
