"""Quotations."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        description="No quotation is decided before it was given",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select source, quote_id
            from {batch}
            where decided_at < quoted_at
        """,
    ),
    gxe.ExpectColumnValuesToBeBetween(
        description="No price below 0",
        severity=FailureSeverity.WARNING,
        column="price_amount",
        min_value=0,
    ),
    gxe.UnexpectedRowsExpectation(
        description="Quotations are accepted, declined or expired",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select source, quote_id, outcome
            from {batch}
            where outcome not in ('accepted', 'declined', 'expired')
        """,
    ),
]
