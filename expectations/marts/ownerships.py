"""Ownerships: one employee at a time."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "No customer is in the care of two employees at one time",
        CRITICAL,
        """
        with followed as (
            select
                customer_id,
                began_at,
                ended_at,
                lead(began_at) over (
                    partition by customer_id order by ownership_number nulls last
                ) as next_began_at
            from {batch}
        )

        select customer_id, began_at, ended_at, next_began_at
        from followed
        where ended_at <= began_at
            or next_began_at < ended_at
            or (ended_at is null and next_began_at is not null)
        """,
    ),
    no_rows(
        "Whoever is in charge of a customer today is the one in customer.customers",
        CRITICAL,
        """
        select owned.customer_id, owned.employee_id, customers.employee_id as told
        from customer.customers as customers
        left join {batch} as owned
            on customers.customer_id = owned.customer_id and owned.is_current
        where owned.employee_id is distinct from customers.employee_id
        """,
    ),
]
