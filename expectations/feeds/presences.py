"""Sensor readings in places."""

import great_expectations.expectations as gxe

from kith.gate.rows import WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "No reading lies after the as-of date",
        WARNING,
        """
        select source, record_id, event_at
        from intermediate.int_rows_cut
        where feed = 'presences' and exists (select 1 from {batch})
        """,
    ),
    gxe.ExpectColumnValuesToBeInSet(
        description="Each reading has a state that the feed knows",
        severity=WARNING,
        column="state",
        value_set=["near", "enter", "floor", "dwell", "bag", "leave"],
    ),
]
