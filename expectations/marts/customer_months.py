"""Months add up to the whole, without holes."""

from kith.gate.rows import CRITICAL, WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "Orders and revenue of all months are those of customer_values",
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
        )
        where orders <> orders_valued or revenue <> revenue_valued
        """,
    ),
    no_rows(
        "Everybody who ever bought was new in exactly one month",
        CRITICAL,
        """
        select new_customers, buyers
        from (
            select count(*) filter (where lifecycle = 'new') as new_customers
            from {batch}
        )
        cross join (
            select count(*) as buyers
            from customer.customer_values
            where order_count > 0 and customer_id <> 'unidentified'
        )
        where new_customers <> buyers
        """,
    ),
    no_rows(
        "Each customer has every month from their first trace to the as-of date",
        CRITICAL,
        """
        select customer_id, count(*) as months
        from {batch}
        group by customer_id
        having max(month) <> date_trunc('month', max(as_of_date))
            or count(*) <> 1
            + 12 * (extract(year from max(month)) - extract(year from min(month)))
            + extract(month from max(month)) - extract(month from min(month))
        """,
    ),
    no_rows(
        (
            "Revenue of the last complete month is half to double that of the "
            "three before"
        ),
        WARNING,
        """
        with totals as (
            select month, sum(revenue_amount) as revenue
            from {batch}
            where is_complete
            group by month
        ),

        compared as (
            select
                month,
                revenue,
                count(*) over before as months_before,
                sum(revenue) over before as three_before
            from totals
            window before as (
                order by month nulls last rows between 3 preceding and 1 preceding
            )
        )

        select month as last_month, revenue, three_before
        from compared
        where months_before = 3
            and (6 * revenue < three_before or 3 * revenue > 2 * three_before)
            and month = (select max(month) from totals)
        """,
    ),
    no_rows(
        (
            "No month of the last year brings over three times the most, or under a "
            "third of the least, of the three before"
        ),
        WARNING,
        """
        with totals as (
            select month, is_complete, sum(revenue_amount) as revenue
            from {batch}
            group by month, is_complete
        ),

        compared as (
            select
                month,
                is_complete,
                revenue,
                count(*) over before as months_before,
                min(revenue) over before as least_before,
                max(revenue) over before as most_before
            from totals
            window before as (
                order by month nulls last rows between 3 preceding and 1 preceding
            )
        )

        select month as in_month, revenue, least_before, most_before
        from compared
        where months_before = 3
            and month > (select as_of_date - interval 1 year from kith.run)
            and most_before > 0
            and (
                revenue > 3 * most_before
                or (is_complete and 3 * revenue < least_before)
            )
        """,
    ),
]
