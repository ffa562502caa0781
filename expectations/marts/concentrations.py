"""The curve of a concentration, which never hangs below equality."""

import great_expectations.expectations as gxe

from kith.gate.rows import CRITICAL, WARNING, no_rows

EXPECTATIONS = [
    gxe.ExpectColumnValuesToBeBetween(
        description="Gini from 0 to 1",
        severity=CRITICAL,
        column="gini",
        min_value=0,
        max_value=1,
    ),
    no_rows(
        "The top x % hold at least x % of the whole, all together 100 %",
        CRITICAL,
        """
        select measure, top_pct, share_pct as share
        from {batch}
        where share_pct < top_pct - 0.001
            or (top_pct = 100 and share_pct > 100.001)
        """,
    ),
    no_rows(
        "All buyers together hold the revenue of customer_values",
        CRITICAL,
        """
        select measure, top_pct, amount as amount_of_all, revenue
        from {batch}
        cross join (
            select sum(revenue_amount) as revenue
            from customer.customer_values
            where order_count > 0 and customer_id <> 'unidentified'
        )
        where measure = 'revenue' and top_pct = 100 and amount <> revenue
        """,
    ),
    no_rows(
        "The unidentified share of revenue is that of customer_values",
        CRITICAL,
        """
        select measure, top_pct, unidentified_revenue_share_pct as share, share_valued
        from {batch}
        cross join (
            select
                sum(
                    case
                        when customer_id = 'unidentified' then revenue_share_pct else 0
                    end
                ) as share_valued,
                count(revenue_share_pct) as known_shares
            from customer.customer_values
        )
        where (unidentified_revenue_share_pct is null) <> (known_shares = 0)
            or abs(unidentified_revenue_share_pct - share_valued) > 0.001
        """,
    ),
    no_rows(
        "The costs of at least half of the revenue are known, if any are",
        WARNING,
        """
        select measure, top_pct, unknown_revenue_share_pct as unknown_share
        from {batch}
        where unknown_revenue_share_pct > 50 and n > 0 and top_pct = 100
        """,
    ),
]
