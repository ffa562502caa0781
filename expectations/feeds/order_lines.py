"""Lines of orders."""

import great_expectations.expectations as gxe

from kith.gate.rows import CRITICAL, WARNING, cure, no_rows

# A line brings its quantity times the price of one, before or after what was taken off;
# to the cent of each piece, since prices are rounded. NULL where no price is told.
_BRINGS_ITS_PRICE = """
    least(
        abs(quantity * unit_price_amount - line_amount),
        abs(
            quantity * unit_price_amount
            - coalesce(discount_amount, 0) - line_amount
        )
    ) <= 0.01 * abs(quantity) + 0.01
"""

EXPECTATIONS = [
    gxe.ExpectColumnValuesToBeBetween(
        description="No discount on a line is below 0",
        severity=CRITICAL,
        column="discount_amount",
        min_value=0,
        meta=cure("give discounts as 0 or more, what was taken off as a plus"),
    ),
    gxe.ExpectColumnValuesToBeBetween(
        description="No unit costs less than 0",
        severity=CRITICAL,
        column="unit_cost_amount",
        min_value=0,
        meta=cure("give costs as 0 or more, and NULL where a cost is unknown"),
    ),
    no_rows(
        "No returned line adds to the revenue",
        CRITICAL,
        """
        select source, order_line_id
        from {batch}
        where quantity < 0 and line_amount > 0
        """,
        meta=cure(
            "give a returned line an amount below 0, and one that was sold a quantity "
            "above 0"
        ),
    ),
    no_rows(
        "Where nearly all lines of a source bring quantity times price, all do",
        WARNING,
        f"""
        select lines.source, lines.order_line_id
        from {{batch}} as lines
        inner join (
            select source
            from feeds.order_lines
            where unit_price_amount is not null
            group by source
            having
                count(*) >= 20
                and 10 * sum(case when {_BRINGS_ITS_PRICE} then 0 else 1 end)
                <= count(*)
        ) as agreeing on lines.source = agreeing.source
        where not ({_BRINGS_ITS_PRICE})
        """,
        meta=cure(
            "bring line_amount of the same row as quantity and unit_price_amount, or "
            "have the source corrected"
        ),
    ),
    gxe.ExpectColumnValuesToBeBetween(
        description="At most one line in five is a return",
        severity=WARNING,
        column="quantity",
        min_value=0,
        mostly=0.8,
    ),
    # Counts only, since a join of all lines would cost as much as the model.
    no_rows(
        "No line is without its order, whose revenue would be lost",
        WARNING,
        """
        select
            delivered.line_count as lines_delivered,
            valued.line_count as lines_of_orders
        from (select count(*) as line_count from {batch}) as delivered
        cross join (
            select coalesce(sum(line_count), 0) as line_count
            from customer.orders
        ) as valued
        where delivered.line_count <> valued.line_count
        """,
    ),
    no_rows(
        "Of a thousand lines or more, none holds a tenth of the revenue",
        WARNING,
        """
        select source, order_line_id
        from {batch}
        where line_amount > (
            select 0.1 * sum(line_amount)
            from feeds.order_lines
            having count(*) >= 1000
        )
        """,
    ),
]
