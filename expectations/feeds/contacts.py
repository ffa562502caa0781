"""Messages and calls to customers."""

from kith.gate.rows import WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "No message is opened or answered before it was sent",
        WARNING,
        """
        select source, contact_id
        from {batch}
        where opened_at < sent_at or responded_at < sent_at
        """,
    ),
]
