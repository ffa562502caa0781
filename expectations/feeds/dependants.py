"""Persons cared for."""

from kith.gate.rows import WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "Nobody is older than 120 years, or due in more than ten months",
        WARNING,
        """
        select source, dependant_id
        from {batch}
        where birth_date > (select as_of_date + interval 10 month from kith.run)
            or birth_date < (select as_of_date - interval 120 year from kith.run)
        """,
    ),
]
