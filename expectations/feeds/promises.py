"""Promises to customers."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        description="No promise is due or kept before it was made",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select source, promise_id
            from {batch}
            where due_at < promised_at
                or kept_at < promised_at
        """,
    ),
]
