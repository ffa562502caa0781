"""Orders and returns."""

import great_expectations.expectations as gxe

from kith.gate.rows import CRITICAL, WARNING, cure, no_rows

EXPECTATIONS = [
    no_rows(
        "No order lies after the as-of date",
        WARNING,
        """
        select source, record_id, event_at
        from intermediate.int_rows_cut
        where feed = 'orders' and exists (select 1 from {batch})
        """,
    ),
    gxe.ExpectColumnPairValuesAToBeGreaterThanB(
        description="No order is delivered before it was made",
        severity=WARNING,
        column_A="delivered_at",
        column_B="ordered_at",
        or_equal=True,
        ignore_row_if="either_value_is_missing",
    ),
    gxe.ExpectColumnValuesToBeBetween(
        description="No discount on an order is below 0",
        severity=CRITICAL,
        column="discount_amount",
        min_value=0,
        meta=cure("give discounts as 0 or more, what was taken off as a plus"),
    ),
    no_rows(
        "No discount is larger than the order that it is taken off",
        WARNING,
        """
        select
            orders.source,
            orders.order_id,
            valued.revenue_amount as revenue
        from {batch} as orders
        inner join customer.orders as valued
            on orders.source = valued.source and orders.order_id = valued.order_id
        where valued.line_count > 0
            and valued.revenue_amount < 0
            and valued.revenue_amount + orders.discount_amount >= 0
        """,
    ),
    no_rows(
        "At most one order in a hundred has neither a line nor an amount",
        WARNING,
        """
        select order_count, without_value
        from (select count(*) as order_count from feeds.orders)
        cross join (
            select count(*) as without_value
            from {batch} as orders
            inner join customer.orders as valued
                on orders.source = valued.source and orders.order_id = valued.order_id
            where valued.line_count = 0
                and valued.status_class <> 'cancelled'
                and orders.order_amount is null
        )
        where 100 * without_value > order_count
        """,
    ),
    no_rows(
        "An order's amount is that of its lines, to a cent for each",
        WARNING,
        """
        select
            orders.source,
            orders.order_id,
            orders.order_amount as amount_told,
            valued.revenue_amount + valued.cancelled_amount as amount_of_lines
        from {batch} as orders
        inner join customer.orders as valued
            on orders.source = valued.source and orders.order_id = valued.order_id
        where valued.line_count > 0
            and not valued.is_returned_whole
            and orders.order_amount is not null
            and abs(
                orders.order_amount - valued.revenue_amount - valued.cancelled_amount
            ) > 0.01 * valued.line_count
        """,
    ),
    no_rows(
        (
            "No day of ten orders or more in the last year brings over ten times the "
            "most, or under a tenth of the least, of the four weeks before"
        ),
        WARNING,
        """
        with daily as (
            select
                order_date,
                count(*) as orders,
                sum(revenue_amount) as revenue
            from customer.orders
            where exists (select 1 from {batch})
            group by order_date
        ),

        compared as (
            select
                order_date,
                orders,
                revenue,
                count(*) over before as days_before,
                min(revenue) over before as least_before,
                max(revenue) over before as most_before
            from daily
            window before as (
                order by order_date nulls last rows between 28 preceding and 1 preceding
            )
        )

        select order_date as on_day, revenue, least_before, most_before
        from compared
        where orders >= 10
            and days_before >= 14
            and order_date > (select as_of_date - interval 1 year from kith.run)
            and most_before > 0
            and (revenue > 10 * most_before or 10 * revenue < least_before)
        """,
    ),
]
