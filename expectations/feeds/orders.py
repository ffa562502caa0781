"""Orders and returns."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        description="No order lies after the as-of date",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select source, order_id
            from {batch}
            where ordered_at >= (select as_of_at from kith.run)
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="No order is delivered before it was made",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select source, order_id
            from {batch}
            where delivered_at < ordered_at
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="At most one order in a hundred has no line",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select count(*) as orders, count(*) filter (line_count = 0) as without_line
            from facts.int_orders_valued
            where exists (from feeds.order_lines) and exists (from {batch})
            having 100 * count(*) filter (line_count = 0) > count(*)
        """,
    ),
]
