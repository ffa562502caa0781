"""Campaigns."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        description="No campaign ends before it begins",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select source, campaign_id
            from {batch}
            where ends_at < starts_at
        """,
    ),
    gxe.ExpectColumnValuesToBeBetween(
        description="No cost below 0",
        severity=FailureSeverity.WARNING,
        column="cost_amount",
        min_value=0,
    ),
]
