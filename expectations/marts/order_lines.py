"""Lines: each with its order, and together the same revenue."""

import great_expectations.expectations as gxe

from kith.gate.rows import CRITICAL, WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "Purchases, revenue and what was given back are those of customer.orders",
        CRITICAL,
        """
        select
            purchases,
            purchases_made,
            returned,
            returned_of_orders,
            revenue,
            revenue_of_orders
        from (
            select
                count(distinct case when is_purchase then order_key end) as purchases,
                coalesce(sum(returned_amount), 0) as returned,
                coalesce(sum(revenue_amount), 0) as revenue
            from (
                select
                    source || ':' || order_id as order_key,
                    is_purchase,
                    returned_amount,
                    revenue_amount
                from {batch}
            )
        )
        cross join (
            select
                count(*) filter (where is_purchase) as purchases_made,
                coalesce(sum(returned_amount), 0) as returned_of_orders,
                coalesce(sum(revenue_amount), 0) as revenue_of_orders
            from customer.orders
        )
        where purchases <> purchases_made
            or returned <> returned_of_orders
            or revenue <> revenue_of_orders
        """,
    ),
    gxe.ExpectColumnValuesToNotBeNull(
        description="At least nine lines in ten name a product",
        severity=WARNING,
        column="product_key",
        mostly=0.9,
    ),
]
