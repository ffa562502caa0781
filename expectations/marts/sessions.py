"""Sessions hold all events, and last as long as people do."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        description="Sessions hold every event of the feed up to the as-of date",
        severity=FailureSeverity.CRITICAL,
        unexpected_rows_query="""
            select events_of_sessions, events_of_feed
            from (
                select coalesce(sum(event_count), 0) as events_of_sessions from {batch}
            )
            cross join (
                select count(*) as events_of_feed
                from feeds.events
                where occurred_at < (select as_of_at from kith.run)
            )
            where events_of_sessions <> events_of_feed
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="No session ends before it begins, nor after the as-of date",
        severity=FailureSeverity.CRITICAL,
        unexpected_rows_query="""
            select session_id
            from {batch}
            where ended_at < started_at or ended_at >= (select as_of_at from kith.run)
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="At most one session in a hundred lasts longer than a day",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select sessions, long_sessions
            from (
                select
                    count(*) as sessions,
                    count(*) filter (duration_seconds > 86400) as long_sessions
                from {batch}
            )
            where 100 * long_sessions > sessions
        """,
    ),
]
