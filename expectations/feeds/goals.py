"""Targets."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        description="No period ends before it begins",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select source, goal_id
            from {batch}
            where period_end < period_start
        """,
    ),
]
