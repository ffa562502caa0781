"""Potential customers."""

from kith.gate.rows import WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "No lead lies after the as-of date",
        WARNING,
        """
        select source, lead_id
        from {batch}
        where created_at >= (select as_of_at from kith.run)
        """,
    ),
]
