"""Sensor readings in places."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        description="No reading lies after the as-of date",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select source, presence_id
            from {batch}
            where occurred_at >= (select as_of_at from kith.run)
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="Each reading has a state that the feed knows",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select source, presence_id, state
            from {batch}
            where state not in ('near', 'enter', 'floor', 'dwell', 'bag', 'leave')
        """,
    ),
]
