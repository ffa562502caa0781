"""A name means one thing."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "A segment of one name has one condition in all schemes",
        CRITICAL,
        """
        select segment, min(condition) as condition, max(condition) as another
        from {batch}
        group by segment
        having min(condition) <> max(condition)
        """,
    ),
]
