"""Money: to the cent what the feeds delivered."""

from kith.gate.rows import CRITICAL, WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "Revenue and lines are those of the feeds' orders up to the as-of date",
        CRITICAL,
        """
        with ordered as (
            select source, order_id, order_amount, discount_amount
            from feeds.orders
            where ordered_at < (select as_of_at from kith.run)
        ),

        delivered as (
            select
                count(*) as lines_of_feed,
                coalesce(sum(line_amount), 0) as line_amount
            from feeds.order_lines
            inner join ordered using (source, order_id)
        ),

        discounted as (
            select coalesce(sum(discount_amount), 0) as discount_amount
            from ordered
            where exists (
                select 1
                from feeds.order_lines as lines
                where lines.source = ordered.source
                    and lines.order_id = ordered.order_id
            )
        ),

        without_lines as (
            select coalesce(sum(order_amount), 0) as order_amount
            from ordered
            where not exists (
                select 1
                from feeds.order_lines as lines
                where lines.source = ordered.source
                    and lines.order_id = ordered.order_id
            )
        ),

        found as (
            select
                coalesce(sum(line_count), 0) as lines,
                coalesce(sum(revenue_amount), 0) as revenue
            from {batch}
        )

        select
            revenue,
            line_amount - discount_amount + order_amount as revenue_of_feeds,
            lines,
            lines_of_feed
        from found
        cross join delivered
        cross join discounted
        cross join without_lines
        where revenue <> line_amount - discount_amount + order_amount
            or lines <> lines_of_feed
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
