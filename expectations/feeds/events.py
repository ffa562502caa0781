"""Behaviour on digital touchpoints."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        description="No event lies after the as-of date",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select source, event_id
            from {batch}
            where occurred_at >= (select as_of_at from kith.run)
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="At least one event in twenty names a person or a device",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select events, named
            from (
                select
                    count(*) as events,
                    count(coalesce(identifier_value, device_id)) as named
                from {batch}
            )
            where 20 * named < events
        """,
    ),
]
