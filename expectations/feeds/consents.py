"""Permissions."""

from kith.gate.rows import WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "No change lies after the as-of date",
        WARNING,
        """
        select source, consent_id
        from {batch}
        where changed_at >= (select as_of_at from kith.run)
        """,
    ),
]
