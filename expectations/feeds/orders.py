"""Orders and returns."""

import great_expectations.expectations as gxe

from kith.gate.rows import WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "No order lies after the as-of date",
        WARNING,
        """
        select source, record_id, event_at
        from intermediate.int_rows_cut
        where feed = 'orders' and exists (select 1 from {batch})
        """,
    ),
    gxe.ExpectColumnPairValuesAToBeGreaterThanB(
        description="No order is delivered before it was made",
        severity=WARNING,
        column_A="delivered_at",
        column_B="ordered_at",
        or_equal=True,
        ignore_row_if="either_value_is_missing",
    ),
    no_rows(
        "At most one order in a hundred has no line",
        WARNING,
        """
        select
            count(*) as orders,
            count(*) filter (where line_count = 0) as without_line
        from intermediate.int_orders_valued
        where exists (select 1 from feeds.order_lines)
            and exists (select 1 from {batch})
        having 100 * count(*) filter (where line_count = 0) > count(*)
        """,
    ),
]
