"""Posts in social media and communities."""

import great_expectations.expectations as gxe

from kith.gate.rows import WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "No post lies after the as-of date",
        WARNING,
        """
        select source, post_id
        from {batch}
        where posted_at >= (select as_of_at from kith.run)
        """,
    ),
    gxe.ExpectColumnValuesToBeBetween(
        description="Sentiment from -1 to 1",
        severity=WARNING,
        column="sentiment",
        min_value=-1,
        max_value=1,
    ),
]
