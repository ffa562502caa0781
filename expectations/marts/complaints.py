"""All cases, and somebody who answers them."""

from kith.gate.rows import CRITICAL, WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "Every case of the feed up to the as-of date is here",
        CRITICAL,
        """
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
    no_rows(
        "No case was opened, answered or resolved after the as-of date",
        CRITICAL,
        """
        select source, ticket_id, opened_at, first_response_at, resolved_at
        from {batch}
        cross join kith.run as run
        where greatest(opened_at, first_response_at, resolved_at) >= run.as_of_at
        """,
    ),
    no_rows(
        "Of thirty cases or more, at most one in five waits for an answer",
        WARNING,
        """
        select count(*) as cases, count(*) filter (where state = 'overdue') as overdue
        from {batch}
        having count(*) >= 30
            and 5 * count(*) filter (where state = 'overdue') > count(*)
        """,
    ),
]
