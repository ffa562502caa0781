"""Posts in social media and communities."""

import great_expectations.expectations as gxe

from kith.gate.rows import WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "No post lies after the as-of date",
        WARNING,
        """
        select source, record_id, event_at
        from intermediate.int_rows_cut
        where feed = 'posts' and exists (select 1 from {batch})
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
