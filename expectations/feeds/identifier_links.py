"""Links between identifiers."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        description="No identifier is linked with more than a hundred others",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select left_type, count(distinct right_value) as others
            from {batch}
            group by left_type, left_value
            having count(distinct right_value) > 100
        """,
    ),
]
