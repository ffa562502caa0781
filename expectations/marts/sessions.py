"""Sessions hold all events, and last as long as people do."""

import great_expectations.expectations as gxe

from kith.gate.rows import CRITICAL, WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "Sessions hold every event of the feed up to the as-of date",
        CRITICAL,
        """
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
    no_rows(
        "No session ends before it begins, nor after the as-of date",
        CRITICAL,
        """
        select session_id
        from {batch}
        where ended_at < started_at or ended_at >= (select as_of_at from kith.run)
        """,
    ),
    gxe.ExpectColumnValuesToBeBetween(
        description="At most one session in a hundred lasts longer than a day",
        severity=WARNING,
        column="duration_seconds",
        max_value=86400,
        mostly=0.99,
    ),
]
