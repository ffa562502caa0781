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
    no_rows(
        (
            "Of customers with several records that tell a birth date, at most one in "
            "fifty has two: no strangers are one customer"
        ),
        WARNING,
        """
        select customers_compared, with_several_birth_dates
        from (
            select
                count(*) as customers_compared,
                count(*) filter (where first_birth_date < last_birth_date)
                    as with_several_birth_dates
            from (
                select
                    customer_id,
                    min(birth_date) as first_birth_date,
                    max(birth_date) as last_birth_date
                from intermediate.int_customer_records
                where birth_date is not null and exists (select 1 from {batch})
                group by customer_id
                having count(*) > 1
            )
        )
        where 50 * with_several_birth_dates > customers_compared
        """,
    ),
    no_rows(
        (
            "At most one customer in twenty has several records of one source, unless "
            "these tell one birth date: no strangers are one customer"
        ),
        WARNING,
        """
        select source, customers, with_several_records
        from (
            select
                source,
                count(*) as customers,
                count(*) filter (where record_count > 1 and not is_born_once)
                    as with_several_records
            from (
                select
                    source,
                    customer_id,
                    count(*) as record_count,
                    count(birth_date) = count(*) and min(birth_date) = max(birth_date)
                        as is_born_once
                from intermediate.int_customer_records
                where exists (select 1 from {batch})
                group by source, customer_id
            )
            group by source
        )
        where 20 * with_several_records > customers
        """,
    ),
]
