"""Months add up to the whole, without holes."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        description="Orders and revenue of all months are those of customer_values",
        severity=FailureSeverity.CRITICAL,
        unexpected_rows_query="""
            select orders, orders_valued, revenue, revenue_valued
            from (
                select sum(order_count) as orders, sum(revenue_amount) as revenue
                from {batch}
            )
            cross join (
                select
                    sum(order_count) as orders_valued,
                    sum(revenue_amount) as revenue_valued
                from customer.customer_values
            )
            where orders <> orders_valued or revenue <> revenue_valued
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="Everybody who ever bought was new in exactly one month",
        severity=FailureSeverity.CRITICAL,
        unexpected_rows_query="""
            select new_customers, buyers
            from (
                select count(*) filter (lifecycle = 'new') as new_customers from {batch}
            )
            cross join (
                select count(*) as buyers
                from customer.customer_values
                where order_count > 0 and customer_id <> 'unidentified'
            )
            where new_customers <> buyers
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description=(
            "Each customer has every month from his first trace to the as-of date"
        ),
        severity=FailureSeverity.CRITICAL,
        unexpected_rows_query="""
            select customer_id, count(*) as months
            from {batch}
            group by customer_id
            having max(month) <> date_trunc('month', max(as_of_date))
                or count(*) <> date_diff('month', min(month), max(month)) + 1
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description=(
            "Revenue of the last complete month is half to double that of the "
            "three before"
        ),
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            with totals as (
                select month, sum(revenue_amount) as revenue
                from {batch}
                where is_complete
                group by month
            ),

            compared as (
                select
                    month,
                    revenue,
                    count(*) over before as months_before,
                    avg(revenue) over before as mean_before
                from totals
                window before as (
                    order by month rows between 3 preceding and 1 preceding
                )
            )

            select month as last_month, revenue, mean_before
            from compared
            where months_before = 3
                and revenue not between 0.5 * mean_before and 2 * mean_before
                and month = (select max(month) from totals)
        """,
    ),
]
