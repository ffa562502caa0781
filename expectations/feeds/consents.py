"""Permissions."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        description="No change lies after the as-of date",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select source, consent_id
            from {batch}
            where changed_at >= (select as_of_at from kith.run)
        """,
    ),
]
