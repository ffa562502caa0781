"""Earlier runs were published only with a clean gate."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        description="No run was published over a broken or a failed critical check",
        severity=FailureSeverity.CRITICAL,
        unexpected_rows_query="""
            select run_id, table_name, expectation
            from {batch}
            where (outcome = 'broken' or (outcome = 'failed' and severity = 'critical'))
                and run_id in (select run_id from operations.publications)
        """,
    ),
]
