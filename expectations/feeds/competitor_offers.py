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
        select source, record_id, event_at
        from intermediate.int_rows_cut
        where feed = 'competitor_offers' and exists (select 1 from {batch})
        """,
    ),
]
