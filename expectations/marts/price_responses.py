"""A response to prices stands on enough products and purchases, or a reason does."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "Each year has a row for all customers and one for each band",
        CRITICAL,
        """
        select period_start, count(*) as row_count
        from {batch}
        group by period_start
        having count(*) <> 4
            or sum(
                case
                    when stickiness in ('all', 'low', 'middle', 'high') then 1
                    else 0
                end
            ) <> 4
        """,
    ),
    no_rows(
        "There is a response or a reason, never both, and it lies within its interval",
        CRITICAL,
        """
        select period_start, stickiness, price_response, missing_reason
        from {batch}
        where (price_response is null) <> (missing_reason is not null)
            or (price_response is null) <> (purchase_change_pct is null)
            or price_response < price_response_low
            or price_response > price_response_high
        """,
    ),
    no_rows(
        "A response is told by twenty products with a hundred purchases, at lower "
        "prices",
        CRITICAL,
        """
        select period_start, stickiness, product_count, n, price_change_pct
        from {batch}
        where price_response is not null
            and (product_count < 20 or n < 100 or price_change_pct > -5)
        """,
    ),
    no_rows(
        "No more products are used than vary, and no more vary than are looked at",
        CRITICAL,
        """
        select period_start, stickiness, product_count, varying_product_count
        from {batch}
        where product_count > varying_product_count
            or varying_product_count > watched_product_count
        """,
    ),
]
