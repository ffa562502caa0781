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
            where state_on = as_of_date
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
        "All schemes divide the same customers and the same revenue on each day",
        CRITICAL,
        """
        select state_on, min(customers) as fewest, max(customers) as most
        from (
            select
                scheme,
                state_on,
                sum(customer_count) as customers,
                sum(order_count) as orders,
                sum(revenue_amount) as revenue
            from {batch}
            group by scheme, state_on
        )
        cross join (
            select count(distinct scheme) as schemes from segment.schemes
        )
        group by state_on
        having min(customers) <> max(customers)
            or min(orders) <> max(orders)
            or min(revenue) <> max(revenue)
            or count(*) <> max(schemes)
        """,
    ),
    no_rows(
        "Shares of each scheme add up to 100 %",
        CRITICAL,
        """
        select
            scheme,
            state_on,
            sum(customer_share_pct) as customers_pct,
            sum(revenue_share_pct) as revenue_pct
        from {batch}
        group by scheme, state_on
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
            state_on,
            sum(revenue_index * customer_count) / sum(customer_count) as of_customers,
            sum(buyer_revenue_index * buyer_count) / sum(buyer_count) as of_buyers
        from {batch}
        group by scheme, state_on
        having abs(sum(revenue_index * customer_count) / sum(customer_count) - 1) > 1e-6
            or abs(sum(buyer_revenue_index * buyer_count) / sum(buyer_count) - 1) > 1e-6
        """,
    ),
]
