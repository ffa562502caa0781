"""Lines of orders."""

import great_expectations.expectations as gxe

from kith.gate.rows import WARNING, no_rows

EXPECTATIONS = [
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
