"""Promises to customers."""

from kith.gate.rows import WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "No promise is due or kept before it was made",
        WARNING,
        """
        select source, promise_id
        from {batch}
        where due_at < promised_at or kept_at < promised_at
        """,
    ),
]
