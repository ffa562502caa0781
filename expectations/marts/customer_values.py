"""Money: to the cent what the feeds delivered."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        description=(
            "Revenue and lines are those of the feeds' orders up to the as-of date"
        ),
        severity=FailureSeverity.CRITICAL,
        unexpected_rows_query="""
            with ordered as (
                select source, order_id, coalesce(discount_amount, 0) as discount_amount
                from feeds.orders
                where ordered_at < (select as_of_at from kith.run)
            ),

            delivered as (
                select
                    count(*) as lines_of_feed,
                    coalesce(sum(line_amount), 0) as line_amount
                from feeds.order_lines semi join ordered using (source, order_id)
            ),

            discounted as (
                select coalesce(sum(discount_amount), 0) as discount_amount from ordered
            ),

            found as (
                select
                    coalesce(sum(line_count), 0) as lines,
                    coalesce(sum(revenue_amount), 0) as revenue
                from {batch}
            )

            select
                revenue,
                line_amount - discount_amount as revenue_of_feeds,
                lines,
                lines_of_feed
            from found cross join delivered cross join discounted
            where revenue <> line_amount - discount_amount or lines <> lines_of_feed
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="Shares of revenue add up to 100 %",
        severity=FailureSeverity.CRITICAL,
        unexpected_rows_query="""
            select sum(revenue_share_pct) as share_pct
            from {batch}
            having abs(sum(revenue_share_pct) - 100) > 0.001
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="At most half of the revenue belongs to nobody known",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select revenue_share_pct as unidentified_share_pct
            from {batch}
            where customer_id = 'unidentified' and revenue_share_pct > 50
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="Of a hundred customers or more, none holds a fifth of the revenue",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select customer_id, revenue_share_pct as share_pct
            from {batch}
            where customer_id <> 'unidentified'
                and revenue_share_pct > 20
                and (select count(*) from customer.customer_values) >= 100
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="At most one customer in twenty has given back more than he bought",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select customers, negative
            from (
                select
                    count(*) as customers,
                    count(*) filter (revenue_amount < 0) as negative
                from {batch}
            )
            where 20 * negative > customers
        """,
    ),
]
