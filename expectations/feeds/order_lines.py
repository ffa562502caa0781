"""Lines of orders."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        description="At most one line in five is a return",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select count(*) as lines, count(*) filter (quantity < 0) as returns
            from {batch}
            having 5 * count(*) filter (quantity < 0) > count(*)
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="Of a thousand lines or more, none holds a tenth of the revenue",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select source, order_line_id
            from {batch}
            where line_amount > (
                select 0.1 * sum(line_amount)
                from feeds.order_lines
                having count(*) >= 1000
            )
        """,
    ),
]
