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
            "Orders that their status alone calls returned or cancelled are the "
            "purchases themselves, no rows beside these; such rows need an amount "
            "below 0, and no status of a cancelled order"
        ),
        WARNING,
        """
        with told as (
            select
                source,
                order_id,
                customer_id,
                ordered_at,
                is_returned_whole,
                status_class = 'cancelled' as is_cancelled,
                is_returned_whole or status_class = 'cancelled' as is_undone,
                gross_amount + abs(cancelled_amount) as amount
            from {batch}
            where (is_purchase or status_class = 'cancelled')
                and customer_id <> 'unidentified'
        ),

        compared as (
            select
                source,
                is_returned_whole,
                is_cancelled,
                is_undone,
                coalesce(
                    sum(case when is_undone then 0 else 1 end) over (
                        partition by source, customer_id, amount
                        order by
                            ordered_at nulls last,
                            is_undone nulls last,
                            order_id nulls last
                        rows between unbounded preceding and 1 preceding
                    ),
                    0
                ) > 0 as has_equal_before
            from told
            where amount > 0
        ),

        counted as (
            select
                source,
                count(*) filter (where is_returned_whole) as returned,
                count(*) filter (where is_returned_whole and has_equal_before)
                    as returned_with_equal_before,
                count(*) filter (where is_cancelled) as cancelled,
                count(*) filter (where is_cancelled and has_equal_before)
                    as cancelled_with_equal_before,
                count(*) filter (where not is_undone) as others,
                count(*) filter (where not is_undone and has_equal_before)
                    as others_with_equal_before
            from compared
            group by source
        )

        select
            source,
            returned,
            returned_with_equal_before,
            cancelled,
            cancelled_with_equal_before
        from counted
        where (
            2 * returned_with_equal_before > returned
            and returned_with_equal_before * others
            > 2 * others_with_equal_before * returned
        )
        or (
            2 * cancelled_with_equal_before > cancelled
            and cancelled_with_equal_before * others
            > 2 * others_with_equal_before * cancelled
        )
        """,
    ),
    no_rows(
        (
            "No order that was cancelled or given back is taken off again, by an order "
            "below 0 of its customer and amount that nothing else bought explains"
        ),
        WARNING,
        """
        with undone as (
            select
                source,
                order_id,
                customer_id,
                order_date,
                amount,
                row_number() over (
                    partition by customer_id, amount
                    order by
                        order_date nulls last, source nulls last, order_id nulls last
                ) as place,
                min(order_date) over (
                    partition by customer_id, amount
                ) as first_order_date
            from (
                select
                    valued.source,
                    valued.order_id,
                    valued.customer_id,
                    valued.order_date,
                    case
                        when valued.status_class = 'cancelled'
                            then valued.cancelled_amount
                        else valued.returned_amount
                    end as amount
                from {batch} as valued
                where valued.customer_id <> 'unidentified'
                    and (valued.status_class = 'cancelled' or valued.gross_amount > 0)
            )
            where amount > 0
        ),

        taken_off as (
            select
                orders.order_id,
                orders.customer_id,
                orders.order_date,
                orders.returned_amount as amount,
                row_number() over (
                    partition by orders.customer_id, orders.returned_amount
                    order by
                        orders.order_date nulls last,
                        orders.source nulls last,
                        orders.order_id nulls last
                ) as place,
                count(*) over (
                    partition by orders.customer_id, orders.returned_amount
                ) as order_count
            from customer.orders as orders
            inner join undone
                on orders.customer_id = undone.customer_id
                and orders.returned_amount = undone.amount
                and undone.place = 1
            where orders.gross_amount = 0
                and orders.order_date >= undone.first_order_date
        ),

        -- What is still bought for that amount: a line, or an order of several.
        kept as (
            select
                undone.customer_id,
                undone.amount,
                sum(case when bought.amount > 0 then 1 else -1 end) as kept_count
            from undone
            inner join (
                select customer_id, revenue_amount as amount
                from customer.order_lines
                where is_purchase
                union all
                select customer_id, revenue_amount
                from customer.orders
                where is_purchase and line_count > 1 and returned_amount = 0
            ) as bought
                on undone.customer_id = bought.customer_id
                and undone.amount = abs(bought.amount)
            where undone.place = 1
            group by undone.customer_id, undone.amount
        ),

        pairs as (
            select
                undone.source,
                undone.order_id,
                taken_off.order_id as taken_off_by,
                undone.amount,
                sum(undone.amount) over () as amount_of_all
            from undone
            inner join taken_off
                on undone.customer_id = taken_off.customer_id
                and undone.amount = taken_off.amount
                and undone.place = taken_off.place
                and undone.order_date <= taken_off.order_date
            left join kept
                on undone.customer_id = kept.customer_id
                and undone.amount = kept.amount
            where undone.place <= taken_off.order_count - coalesce(kept.kept_count, 0)
        )

        select
            pairs.source,
            pairs.order_id,
            pairs.taken_off_by,
            pairs.amount as amount_taken_off,
            pairs.amount_of_all,
            cast(
                100 * pairs.amount_of_all / nullif(revenue.amount, 0) as decimal(18, 1)
            ) as pct_of_revenue
        from pairs
        cross join (
            select sum(revenue_amount) as amount
            from customer.orders
        ) as revenue
        """,
    ),
]
