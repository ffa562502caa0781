"""Each identifier stands for one customer or says why not; no town is one person."""

from kith.gate.rows import CRITICAL, WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "Customers are those of customers, and identifiers those of the feeds",
        CRITICAL,
        """
        select customers, customers_here, identifiers, identifiers_here
        from (
            select
                count(distinct customer_id) as customers_here,
                count(*) as identifiers_here
            from {batch}
        )
        cross join (
            select count(*) as customers
            from customer.customers
            where customer_id <> 'unidentified'
        )
        cross join (select count(*) as identifiers from intermediate.int_identifiers)
        where customers <> customers_here or identifiers <> identifiers_here
        """,
    ),
    no_rows(
        "Who is refused stands for nobody, everybody else for a person",
        CRITICAL,
        """
        select identifier_type, identifier_value
        from {batch}
        where (refused_by is null) <> (person_id is not null)
            or (standing = 'customer') <> (customer_id is not null)
        """,
    ),
    no_rows(
        "No identifier is first seen after it was last seen",
        CRITICAL,
        """
        select identifier_type, identifier_value
        from {batch}
        where first_seen_at > last_seen_at
        """,
    ),
    no_rows(
        "No keyed hash stands under two kinds, as where a staging model calls a card "
        "otherwise than `pii` does",
        WARNING,
        """
        select identifier_value
        from {batch}
        where length(identifier_value) = 64
        group by identifier_value
        having count(*) > 1
        """,
    ),
    no_rows(
        "No customer has over fifty identifiers beside browsers and telephones",
        WARNING,
        """
        select customer_id
        from {batch}
        where customer_id is not null and identifier_type not in ('device', 'phone')
        group by customer_id
        having count(*) > 50
        """,
    ),
    no_rows(
        "At most one identifier in twenty is refused by a rule",
        WARNING,
        """
        select refused, identifiers
        from (
            select
                count(refused_by) as refused,
                count(*) as identifiers
            from {batch}
        )
        where refused > 0.05 * identifiers and refused > 10
        """,
    ),
]
