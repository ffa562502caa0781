"""Products of competitors."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.ExpectColumnValuesToBeBetween(
        description="No price below 0",
        severity=FailureSeverity.WARNING,
        column="price_amount",
        min_value=0,
    ),
    gxe.UnexpectedRowsExpectation(
        description="No sighting lies after the as-of date",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select source, offer_id
            from {batch}
            where seen_at >= (select as_of_at from kith.run)
        """,
    ),
]
