"""Lines of orders."""

import great_expectations.expectations as gxe

from kith.gate.rows import CRITICAL, WARNING, no_rows

EXPECTATIONS = [
    gxe.ExpectColumnValuesToBeBetween(
        description="No discount on a line is below 0",
        severity=CRITICAL,
        column="discount_amount",
        min_value=0,
    ),
    gxe.ExpectColumnValuesToBeBetween(
        description="No unit costs less than 0",
        severity=CRITICAL,
        column="unit_cost_amount",
        min_value=0,
    ),
    no_rows(
        "No returned line adds to the revenue",
        CRITICAL,
        """
        select source, order_line_id
        from {batch}
        where quantity < 0 and line_amount > 0
        """,
    ),
    gxe.ExpectColumnValuesToBeBetween(
        description="At most one line in five is a return",
        severity=WARNING,
        column="quantity",
        min_value=0,
        mostly=0.8,
    ),
    no_rows(
        "Of a thousand lines or more, none holds a tenth of the revenue",
        WARNING,
        """
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
