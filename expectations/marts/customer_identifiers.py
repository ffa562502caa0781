"""Each identifier stands for one customer or says why not; no town is one person."""

from typing import get_args

from kith.company.tables import PiiKind
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
    no_rows(
        (
            "At most one customer in twenty has several of a source's own numbers of "
            "one kind, unless these tell one birth date: no strangers are one customer"
        ),
        WARNING,
        f"""
        select identifier_type as kind, customers, with_several_numbers
        from (
            select
                identifier_type,
                count(distinct customer_id) as customers,
                count(distinct case
                    when number_count > 1 and not is_born_once then customer_id
                end) as with_several_numbers
            from (
                select
                    identities.identifier_type,
                    identities.customer_id,
                    count(*) as number_count,
                    count(known.birth_date) = count(*)
                    and min(known.birth_date) = max(known.birth_date) as is_born_once
                from {{batch}} as identities
                inner join intermediate.int_identifiers as known
                    on identities.identifier_type = known.identifier_type
                    and identities.identifier_value = known.identifier_value
                where identities.customer_id is not null
                    and identities.identifier_type not in {get_args(PiiKind)}
                group by
                    identities.identifier_type,
                    identities.customer_id,
                    identities.sources
            )
            group by identifier_type
        )
        where 20 * with_several_numbers > customers
        """,
    ),
]
