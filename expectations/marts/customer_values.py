"""Money: to the cent that of the orders."""

from kith.gate.rows import CRITICAL, WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "Purchases, returns, cancelled orders and money are those of customer.orders",
        CRITICAL,
        """
        select
            purchases,
            purchases_made,
            returns,
            returns_made,
            cancelled,
            cancelled_orders,
            gross,
            gross_of_orders,
            revenue,
            revenue_of_orders
        from (
            select
                coalesce(sum(order_count), 0) as purchases,
                coalesce(sum(return_count), 0) as returns,
                coalesce(sum(cancelled_count), 0) as cancelled,
                coalesce(sum(gross_amount), 0) as gross,
                coalesce(sum(revenue_amount), 0) as revenue
            from {batch}
        )
        cross join (
            select
                count(*) filter (where is_purchase) as purchases_made,
                count(*) filter (where has_return) as returns_made,
                count(*) filter (where status_class = 'cancelled') as cancelled_orders,
                coalesce(sum(gross_amount), 0) as gross_of_orders,
                coalesce(sum(revenue_amount), 0) as revenue_of_orders
            from customer.orders
        )
        where purchases <> purchases_made
            or returns <> returns_made
            or cancelled <> cancelled_orders
            or gross <> gross_of_orders
            or revenue <> revenue_of_orders
        """,
    ),
    no_rows(
        "Shares of revenue add up to 100 %",
        CRITICAL,
        """
        select sum(revenue_share_pct) as share_pct
        from {batch}
        having abs(sum(revenue_share_pct) - 100) > 0.001
        """,
    ),
    no_rows(
        "At most half of the revenue belongs to nobody known",
        WARNING,
        """
        select revenue_share_pct as unidentified_share_pct
        from {batch}
        where customer_id = 'unidentified' and revenue_share_pct > 50
        """,
    ),
    no_rows(
        "Of a hundred buyers or more, none holds a fifth of the revenue",
        WARNING,
        """
        select customer_id, revenue_share_pct as share_pct
        from {batch}
        where customer_id <> 'unidentified'
            and revenue_share_pct > 20
            and (
                select count(*)
                from customer.customer_values
                where order_count > 0 and customer_id <> 'unidentified'
            ) >= 100
        """,
    ),
    no_rows(
        "At most one buyer in twenty has given back more than they bought",
        WARNING,
        """
        select
            count(*) as buyers,
            count(*) filter (where revenue_amount < 0) as below_0
        from {batch}
        where (order_count > 0 or revenue_amount < 0)
            and customer_id <> 'unidentified'
        having 20 * count(*) filter (where revenue_amount < 0) > count(*)
        """,
    ),
]
