"""All promises, and somebody who keeps them."""

from kith.gate.rows import CRITICAL, WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "Every promise of the feed up to the as-of date is here",
        CRITICAL,
        """
        select promises, delivered
        from (select count(*) as promises from {batch})
        cross join (
            select count(*) as delivered
            from feeds.promises
            where promised_at < (select as_of_at from kith.run)
        )
        where promises <> delivered
        """,
    ),
    no_rows(
        "No promise was made or kept after the as-of date",
        CRITICAL,
        """
        select source, promise_id, promised_at, kept_at
        from {batch}
        cross join kith.run as run
        where greatest(promised_at, kept_at) >= run.as_of_at
        """,
    ),
    no_rows(
        "Of thirty promises that were due, at most one in five was broken",
        WARNING,
        """
        select count(*) as due, count(*) filter (where state = 'broken') as broken
        from {batch}
        where is_kept_in_time is not null
        having count(*) >= 30
            and 5 * count(*) filter (where state = 'broken') > count(*)
        """,
    ),
]
