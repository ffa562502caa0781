"""Everybody is there, and his sums are those of the other marts."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        description="Everybody whom a feed names is a customer, and nobody else",
        severity=FailureSeverity.CRITICAL,
        unexpected_rows_query="""
            select customers, named
            from (select count(*) as customers from {batch})
            cross join (
                select count(distinct customer_id) as named from facts.identities
            )
            where customers <> named
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="Orders and revenue are those of customer_values",
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
                where customer_id <> 'unidentified'
            )
            where orders <> orders_valued or revenue <> revenue_valued
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description=(
            "Nobody's first trace follows his last, and none lies after the as-of date"
        ),
        severity=FailureSeverity.CRITICAL,
        unexpected_rows_query="""
            select customer_id
            from {batch}
            where first_interaction_at > last_interaction_at
                or last_interaction_at >= (select as_of_at from kith.run)
                or first_order_date > last_order_date
                or last_order_date > as_of_date
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="Birth dates lie within the last 120 years",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select customer_id
            from {batch}
            where birth_date > as_of_date or birth_date < as_of_date - interval 120 year
        """,
    ),
]
