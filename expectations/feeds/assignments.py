"""Customers in the care of employees."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        description="No assignment ends before it begins",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select source, assignment_id
            from {batch}
            where valid_to < valid_from
        """,
    ),
]
