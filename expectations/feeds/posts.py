"""Posts in social media and communities."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        description="No post lies after the as-of date",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select source, post_id
            from {batch}
            where posted_at >= (select as_of_at from kith.run)
        """,
    ),
    gxe.ExpectColumnValuesToBeBetween(
        description="Sentiment from -1 to 1",
        severity=FailureSeverity.WARNING,
        column="sentiment",
        min_value=-1,
        max_value=1,
    ),
]
