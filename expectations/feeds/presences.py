"""Sensor readings in places."""

import great_expectations.expectations as gxe

from kith.gate.rows import WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "No reading lies after the as-of date",
        WARNING,
        """
        select source, presence_id
        from {batch}
        where occurred_at >= (select as_of_at from kith.run)
        """,
    ),
    gxe.ExpectColumnValuesToBeInSet(
        description="Each reading has a state that the feed knows",
        severity=WARNING,
        column="state",
        value_set=["near", "enter", "floor", "dwell", "bag", "leave"],
    ),
]
