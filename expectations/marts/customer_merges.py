"""An id that ended goes on under another, and merges lie in the past."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "No id that ended is in use",
        CRITICAL,
        """
        select merges.person_id_before
        from {batch} as merges
        inner join customer.customer_identifiers as identifiers
            on merges.person_id_before = identifiers.person_id
        """,
    ),
    no_rows(
        "No merge lies after the as-of date",
        CRITICAL,
        """
        select person_id_before
        from {batch}
        where merged_at >= (select as_of_at from kith.run)
        """,
    ),
]
