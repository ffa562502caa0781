"""Orders: all that the feeds delivered, to the cent, and words that are understood."""

import great_expectations.expectations as gxe

from kith.gate.rows import CRITICAL, WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "Orders, lines and revenue are those of the feeds up to the as-of date",
        CRITICAL,
        """
        with ordered as (
            select
                feed.source,
                feed.order_id,
                feed.order_amount,
                feed.discount_amount,
                coalesce(valued.status_class = 'cancelled', false)
                or coalesce(valued.is_returned_whole, false) as brings_nothing
            from feeds.orders as feed
            left join customer.orders as valued
                on feed.source = valued.source and feed.order_id = valued.order_id
            where feed.ordered_at < (select as_of_at from kith.run)
        ),

        lines as (
            select
                source,
                order_id,
                count(*) as line_count,
                sum(line_amount) as line_amount
            from feeds.order_lines
            group by source, order_id
        ),

        delivered as (
            select
                count(*) as orders_of_feed,
                coalesce(sum(lines.line_count), 0) as lines_of_feed,
                coalesce(
                    sum(
                        case
                            when ordered.brings_nothing then 0
                            when lines.line_count is null then ordered.order_amount
                            else
                                lines.line_amount
                                - coalesce(ordered.discount_amount, 0)
                        end
                    ),
                    0
                ) as revenue_of_feeds
            from ordered
            left join lines
                on ordered.source = lines.source and ordered.order_id = lines.order_id
        ),

        found as (
            select
                count(*) as orders,
                coalesce(sum(line_count), 0) as lines,
                coalesce(sum(revenue_amount), 0) as revenue
            from {batch}
        )

        select
            orders,
            orders_of_feed,
            lines,
            lines_of_feed,
            revenue,
            revenue_of_feeds
        from found
        cross join delivered
        where orders <> orders_of_feed
            or lines <> lines_of_feed
            or revenue <> revenue_of_feeds
        """,
    ),
    gxe.ExpectColumnValuesToBeBetween(
        description="Nothing below 0 was given back",
        severity=CRITICAL,
        column="returned_amount",
        min_value=0,
    ),
    no_rows(
        (
            "Each status is a word that Kith knows or order_statuses in company.yml "
            "maps; others count as placed"
        ),
        WARNING,
        """
        with counted as (
            select
                case when length(status) > 40 then 'a text' else status end as word,
                count(*) as order_count
            from {batch}
            where not is_status_known
            group by case when length(status) > 40 then 'a text' else status end
        ),

        ranked as (
            select
                word,
                order_count,
                row_number() over (
                    order by order_count desc nulls last, word nulls last
                ) as position
            from counted
        )

        select
            sum(order_count) as orders_counted,
            count(*) as unknown_words,
            max(case when position = 1 then word end)
            || coalesce(', ' || max(case when position = 2 then word end), '')
            || coalesce(', ' || max(case when position = 3 then word end), '')
            || coalesce(', ' || max(case when position = 4 then word end), '')
            || coalesce(', ' || max(case when position = 5 then word end), '')
            as most_frequent
        from ranked
        having count(*) > 0
        """,
    ),
    no_rows(
        "Of a hundred orders or more, at most one in five was cancelled",
        WARNING,
        """
        select
            count(*) as orders,
            count(*) filter (where status_class = 'cancelled') as cancelled
        from {batch}
        having count(*) >= 100
            and 5 * count(*) filter (where status_class = 'cancelled') > count(*)
        """,
    ),
    no_rows(
        (
            "Orders that their status alone calls returned are the purchases "
            "themselves, no rows beside these; amounts of such rows belong below 0"
        ),
        WARNING,
        """
        with compared as (
            select
                source,
                is_returned_whole,
                coalesce(
                    sum(case when is_returned_whole then 0 else 1 end) over (
                        partition by source, customer_id, gross_amount
                        order by
                            ordered_at nulls last,
                            is_returned_whole nulls last,
                            order_id nulls last
                        rows between unbounded preceding and 1 preceding
                    ),
                    0
                ) > 0 as has_equal_before
            from {batch}
            where is_purchase and gross_amount > 0 and customer_id <> 'unidentified'
        ),

        counted as (
            select
                source,
                count(*) filter (where is_returned_whole) as returned,
                count(*) filter (where is_returned_whole and has_equal_before)
                    as with_equal_purchase_before,
                count(*) filter (where not is_returned_whole) as others,
                count(*) filter (where not is_returned_whole and has_equal_before)
                    as others_with_equal_before
            from compared
            group by source
        )

        select source, returned, with_equal_purchase_before
        from counted
        where 2 * with_equal_purchase_before > returned
            and with_equal_purchase_before * others
            > 2 * others_with_equal_before * returned
        """,
    ),
]
