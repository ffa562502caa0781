"""Everybody is there, and the sums are those of the other marts."""

from kith.gate.rows import CRITICAL, WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "Everybody whom a feed names is a customer, and nobody else",
        CRITICAL,
        """
        select customers, named
        from (select count(*) as customers from {batch})
        cross join (
            select count(distinct customer_id) as named from intermediate.identities
        )
        where customers <> named
        """,
    ),
    no_rows(
        "Orders and revenue are those of customer_values",
        CRITICAL,
        """
        select orders, orders_valued, revenue, revenue_valued
        from (
            select sum(order_count) as orders, sum(revenue_amount) as revenue
            from {batch}
        )
        cross join (
            select
                sum(order_count) as orders_valued,
                sum(revenue_amount) as revenue_valued
            from customer.customer_values
            where customer_id <> 'unidentified'
        )
        where orders <> orders_valued or revenue <> revenue_valued
        """,
    ),
    no_rows(
        "Nobody's first trace follows their last, and none lies after the as-of date",
        CRITICAL,
        """
        select customer_id
        from {batch}
        where first_interaction_at > last_interaction_at
            or last_interaction_at >= (select as_of_at from kith.run)
            or first_order_date > last_order_date
            or last_order_date > as_of_date
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
