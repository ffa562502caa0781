"""Answers to surveys."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        description="Every score lies on its scale",
        severity=FailureSeverity.CRITICAL,
        unexpected_rows_query="""
            select source, answer_id
            from {batch}
            where score < scale_min or score > scale_max or scale_min >= scale_max
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="No answer lies after the as-of date",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select source, answer_id
            from {batch}
            where answered_at >= (select as_of_at from kith.run)
        """,
    ),
]
