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
        (
            "Everybody who ever bought was new in exactly one month, but who was known "
            "earlier"
        ),
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
            left join customer.customers
                on customer_values.customer_id = customers.customer_id
            where order_count > 0
                and customer_values.customer_id <> 'unidentified'
                and not coalesce(is_earlier, false)
        )
        where new_customers <> buyers
        """,
    ),
    no_rows(
        "New, returning and resurrecting customers are the active ones",
        CRITICAL,
        """
        select customer_id, month as in_month, lifecycle
        from {batch}
        where is_active <> coalesce(
            lifecycle in ('new', 'returning', 'resurrecting'), false
        )
        """,
    ),
    no_rows(
        "Who is dormant was active the month before, who is inactive was not",
        CRITICAL,
        """
        select customer_id, month as in_month, lifecycle
        from (
            select
                customer_id,
                month,
                lifecycle,
                lag(is_active) over (
                    partition by customer_id order by month nulls last
                ) as was_active
            from {batch}
        )
        where lifecycle in ('dormant', 'inactive')
            and (lifecycle = 'dormant') <> coalesce(was_active, false)
        """,
    ),
    no_rows(
        "Everybody's months begin by the day after their registration",
        CRITICAL,
        """
        select customers.customer_id, first_month
        from customer.customers
        cross join kith.run
        left join (
            select customer_id, min(month) as first_month
            from {batch}
            group by customer_id
        ) as months
            on customers.customer_id = months.customer_id
        where registered_at is not null
            and not coalesce(
                first_month <= registered_at + interval 1 day
                or first_month <= first_day,
                false
            )
        """,
    ),
    no_rows(
        "Each customer has every month from their first to that of the as-of date",
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
