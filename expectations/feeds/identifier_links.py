"""Links between identifiers."""

from kith.gate.rows import WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "No identifier is linked with more than a hundred others",
        WARNING,
        """
        select left_type, count(distinct right_value) as others
        from {batch}
        group by left_type, left_value
        having count(distinct right_value) > 100
        """,
    ),
]
