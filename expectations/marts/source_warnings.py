"""A warning is of days that are over."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "No warning is of days after the as-of date",
        CRITICAL,
        """
        select source_name, table_name, to_day
        from {batch}
        where to_day > as_of_date or from_day > to_day
        """,
    ),
]
