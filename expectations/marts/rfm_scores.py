"""Scores rank all recent buyers, and rank them the right way."""

import great_expectations.expectations as gxe

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    gxe.ExpectColumnValuesToBeBetween(
        description="Recency score from 1 to 5",
        severity=CRITICAL,
        column="r_score",
        min_value=1,
        max_value=5,
    ),
    gxe.ExpectColumnValuesToBeBetween(
        description="Frequency score from 1 to 5",
        severity=CRITICAL,
        column="f_score",
        min_value=1,
        max_value=5,
    ),
    gxe.ExpectColumnValuesToBeBetween(
        description="Money score from 1 to 5",
        severity=CRITICAL,
        column="m_score",
        min_value=1,
        max_value=5,
    ),
    no_rows(
        "All purchases of the window by customers who may be scored are scored",
        CRITICAL,
        """
        select customers, buyers, purchases, purchases_made
        from (
            select
                count(*) as customers,
                coalesce(sum(frequency_count), 0) as purchases
            from {batch}
        )
        cross join (
            select count(*) as buyers, coalesce(sum(purchases), 0) as purchases_made
            from (
                select orders.customer_id, count(distinct order_date) as purchases
                from customer.orders
                inner join segment.activity_states
                    on orders.customer_id = activity_states.customer_id
                cross join (
                    select min(window_start) as window_start
                    from segment.rfm_cut_points
                )
                where state <> 'not_permitted'
                    and is_purchase
                    and order_date >= window_start
                group by orders.customer_id
            )
        )
        where customers <> buyers or purchases <> purchases_made
        """,
    ),
    no_rows(
        "Nobody is scored who may not be",
        CRITICAL,
        """
        select scores.customer_id
        from {batch} as scores
        inner join segment.activity_states
            on scores.customer_id = activity_states.customer_id
        where state = 'not_permitted'
        """,
    ),
    no_rows(
        "A better value never has a lower score",
        CRITICAL,
        """
        with scored as (
            select
                'recency' as dimension,
                r_score as score,
                -recency_days as goodness
            from {batch}
            union all
            select 'frequency', f_score, frequency_count from {batch}
            union all
            select 'money', m_score, monetary_amount from {batch}
        ),

        ranges as (
            select dimension, score, min(goodness) as worst, max(goodness) as best
            from scored
            group by dimension, score
        )

        select
            lower_range.dimension,
            lower_range.score,
            lower_range.best,
            higher_range.worst
        from ranges as lower_range
        inner join ranges as higher_range
            on lower_range.dimension = higher_range.dimension
            and lower_range.score < higher_range.score
            and lower_range.best >= higher_range.worst
        """,
    ),
]
