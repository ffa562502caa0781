"""Each scheme divides the whole."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "Segments of each scheme add up to all customers, buyers, orders and revenue",
        CRITICAL,
        """
        select
            scheme,
            customers,
            known,
            buyers,
            known_buyers,
            orders,
            orders_valued,
            revenue,
            revenue_valued
        from (
            select
                scheme,
                sum(customer_count) as customers,
                sum(buyer_count) as buyers,
                sum(order_count) as orders,
                sum(revenue_amount) as revenue
            from {batch}
            group by scheme
        )
        cross join (
            select
                count(*) filter (where customer_id <> 'unidentified') as known,
                count(*) filter (
                    where customer_id <> 'unidentified' and order_count > 0
                ) as known_buyers,
                sum(order_count) as orders_valued,
                sum(revenue_amount) as revenue_valued
            from customer.customer_values
        )
        where customers <> known
            or buyers <> known_buyers
            or orders <> orders_valued
            or revenue <> revenue_valued
        """,
    ),
    no_rows(
        "Shares of each scheme add up to 100 %",
        CRITICAL,
        """
        select
            scheme,
            sum(customer_share_pct) as customers_pct,
            sum(revenue_share_pct) as revenue_pct
        from {batch}
        group by scheme
        having abs(sum(customer_share_pct) - 100) > 0.001
            or abs(sum(revenue_share_pct) - 100) > 0.001
        """,
    ),
    no_rows(
        "Each index is 1 on average over those whom it compares",
        CRITICAL,
        """
        select
            scheme,
            sum(revenue_index * customer_count) / sum(customer_count) as of_customers,
            sum(buyer_revenue_index * buyer_count) / sum(buyer_count) as of_buyers
        from {batch}
        group by scheme
        having abs(sum(revenue_index * customer_count) / sum(customer_count) - 1) > 1e-6
            or abs(sum(buyer_revenue_index * buyer_count) / sum(buyer_count) - 1) > 1e-6
        """,
    ),
]
