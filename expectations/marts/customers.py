"""Everybody is there once, and with them one row for whom nobody knows."""

from kith.gate.rows import CRITICAL, WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "Everybody whom identity finds is a customer, and nobody else",
        CRITICAL,
        """
        select customers, named
        from (
            select count(*) as customers
            from {batch}
            where customer_id <> 'unidentified'
        )
        cross join (
            select count(distinct customer_id) as named from intermediate.identities
        )
        where customers <> named
        """,
    ),
    no_rows(
        "Birth dates lie within the last 120 years",
        WARNING,
        """
        select customer_id
        from {batch}
        where birth_date > as_of_date or birth_date < as_of_date - interval 120 year
        """,
    ),
]
