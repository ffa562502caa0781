"""Employees: everybody whom a feed names."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "Nobody is last seen before the first time, or after the as-of date",
        CRITICAL,
        """
        select employee_id, first_seen_date as first_seen, last_seen_date as last_seen
        from {batch}
        where first_seen_date > last_seen_date or last_seen_date > as_of_date
        """,
    ),
]
