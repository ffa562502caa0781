"""All cases, and somebody who answers them."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        description="Every case of the feed up to the as-of date is here",
        severity=FailureSeverity.CRITICAL,
        unexpected_rows_query="""
            select cases, delivered
            from (select count(*) as cases from {batch})
            cross join (
                select count(*) as delivered
                from feeds.tickets
                where opened_at < (select as_of_at from kith.run)
            )
            where cases <> delivered
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="No case was opened, answered or resolved after the as-of date",
        severity=FailureSeverity.CRITICAL,
        unexpected_rows_query="""
            select source, ticket_id, opened_at, first_response_at, resolved_at
            from {batch}
            cross join kith.run as run
            where greatest(opened_at, first_response_at, resolved_at) >= run.as_of_at
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="Of thirty cases or more, at most one in five waits for an answer",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select count(*) as cases, count(*) filter (state = 'overdue') as overdue
            from {batch}
            having count(*) >= 30
                and 5 * count(*) filter (state = 'overdue') > count(*)
        """,
    ),
]
