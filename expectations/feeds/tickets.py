"""Service cases."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        description="No case is answered or resolved before it was opened",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select source, ticket_id
            from {batch}
            where first_response_at < opened_at
                or resolved_at < opened_at
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="Cases are questions, complaints, claims or repairs",
        severity=FailureSeverity.CRITICAL,
        unexpected_rows_query="""
            select source, ticket_id, kind
            from {batch}
            where kind not in ('question', 'complaint', 'claim', 'repair')
        """,
    ),
]
