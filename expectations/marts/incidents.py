"""Incidents are told in their order, and of what was published then."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "No incident ends or goes on before it began, and each has failed",
        CRITICAL,
        """
        select incident_id, first_seen_at, last_seen_at, recovered_at, failure_count
        from {batch}
        where last_seen_at < first_seen_at
            or recovered_at < last_seen_at
            or failure_count < 1
        """,
    ),
    no_rows(
        "Of one thing that is broken in one way at most one incident is open",
        CRITICAL,
        """
        select failure_class, thing, count(*) as open_incidents
        from {batch}
        where recovered_at is null
        group by failure_class, thing
        having count(*) > 1
        """,
    ),
    no_rows(
        "An incident is critical where readers had a release past its promise",
        CRITICAL,
        """
        select incident_id, severity, is_fresh
        from {batch}
        where is_fresh = false and severity <> 'critical'
        """,
    ),
]
