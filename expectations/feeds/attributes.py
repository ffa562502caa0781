"""Traits of customers."""

from kith.gate.rows import WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "No observation lies after the as-of date",
        WARNING,
        """
        select source, attribute_id
        from {batch}
        where observed_at >= (select as_of_at from kith.run)
        """,
    ),
]
