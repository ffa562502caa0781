"""Traits of customers."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        description="No observation lies after the as-of date",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select source, attribute_id
            from {batch}
            where observed_at >= (select as_of_at from kith.run)
        """,
    ),
]
