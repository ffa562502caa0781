"""Messages and calls to customers."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        description="No message is opened or answered before it was sent",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select source, contact_id
            from {batch}
            where opened_at < sent_at
                or responded_at < sent_at
        """,
    ),
]
