"""Each scheme divides the whole."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        description=(
            "Segments of each scheme add up to all customers, orders and revenue"
        ),
        severity=FailureSeverity.CRITICAL,
        unexpected_rows_query="""
            select
                scheme,
                customers,
                known,
                orders,
                orders_valued,
                revenue,
                revenue_valued
            from (
                select
                    scheme,
                    sum(customer_count) as customers,
                    sum(order_count) as orders,
                    sum(revenue_amount) as revenue
                from {batch}
                group by scheme
            )
            cross join (
                select
                    count(*) filter (customer_id <> 'unidentified') as known,
                    sum(order_count) as orders_valued,
                    sum(revenue_amount) as revenue_valued
                from customer.customer_values
            )
            where customers <> known
                or orders <> orders_valued
                or revenue <> revenue_valued
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="Shares of each scheme add up to 100 %",
        severity=FailureSeverity.CRITICAL,
        unexpected_rows_query="""
            select
                scheme,
                sum(customer_share_pct) as customers_pct,
                sum(revenue_share_pct) as revenue_pct
            from {batch}
            group by scheme
            having abs(sum(customer_share_pct) - 100) > 0.001
                or abs(sum(revenue_share_pct) - 100) > 0.001
        """,
    ),
]
