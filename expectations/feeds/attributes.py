"""Traits of customers."""

from kith.gate.rows import WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "No observation lies after the as-of date",
        WARNING,
        """
        select source, record_id, event_at
        from intermediate.int_rows_cut
        where feed = 'attributes' and exists (select 1 from {batch})
        """,
    ),
]
