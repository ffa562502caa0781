"""Values of indicators that are used, and that say something."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "Values are those of indicators that are used, or the company's own, never 0",
        CRITICAL,
        """
        select customer_id, valued.indicator, value, status
        from {batch} as valued
        left join segment.indicators on valued.indicator = indicators.indicator
        where value = 0 or (status <> 'used' and owner = 'kith')
        """,
    ),
    no_rows(
        "Shares of what is counted within itself lie from 0 to 1, trends from -1 to 1",
        CRITICAL,
        """
        select customer_id, valued.indicator, value
        from {batch} as valued
        inner join segment.indicators on valued.indicator = indicators.indicator
        where (measure = 'trend' and value not between -1 and 1)
            or (measure = 'share' and value not between 0 and 1)
        """,
    ),
]
