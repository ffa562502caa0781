"""Visits hold all readings, and no purchase of anybody else."""

from kith.gate.rows import CRITICAL, WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "Visits hold every reading of the feed up to the as-of date",
        CRITICAL,
        """
        select readings_of_visits, readings_of_feed
        from (
            select coalesce(sum(reading_count), 0) as readings_of_visits from {batch}
        )
        cross join (select count(*) as readings_of_feed from feeds.presences)
        where readings_of_visits <> readings_of_feed
        """,
    ),
    no_rows(
        "No visit holds more seconds than it lasts, or ends before it begins",
        CRITICAL,
        """
        select source, visit_id
        from {batch}
        where ended_at < started_at
            or ended_at < started_at + inside_seconds * interval '1' second
            or dwell_seconds > inside_seconds
            or main_zone_seconds > inside_seconds
        """,
    ),
    no_rows(
        "Each purchase is on one visit at most, of its customer in its place",
        CRITICAL,
        """
        select visited.customer_id, visited.place_key, visited.orders, bought.purchases
        from (
            select customer_id, place_key, sum(order_count) as orders
            from {batch}
            where order_count > 0
            group by customer_id, place_key
        ) as visited
        left join (
            select customer_id, place_key, count(*) as purchases
            from customer.orders
            where is_purchase
            group by customer_id, place_key
        ) as bought
            on visited.customer_id = bought.customer_id
            and visited.place_key = bought.place_key
        where visited.orders > coalesce(bought.purchases, 0)
        """,
    ),
    no_rows(
        "At most one reading in twenty cannot follow the one before it",
        WARNING,
        """
        select sum(reading_count) as readings, sum(impossible_count) as impossible
        from {batch}
        having 20 * sum(impossible_count) > sum(reading_count)
        """,
    ),
]
