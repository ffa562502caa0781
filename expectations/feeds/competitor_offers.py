"""Products of competitors."""

import great_expectations.expectations as gxe

from kith.gate.rows import WARNING, no_rows

EXPECTATIONS = [
    gxe.ExpectColumnValuesToBeBetween(
        description="No price below 0",
        severity=WARNING,
        column="price_amount",
        min_value=0,
    ),
    no_rows(
        "No sighting lies after the as-of date",
        WARNING,
        """
        select source, offer_id
        from {batch}
        where seen_at >= (select as_of_at from kith.run)
        """,
    ),
]
