"""The map of RFM has a name for each cell, and a cell for each customer."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "There are 125 cells, and they hold all who are scored",
        CRITICAL,
        """
        select cells, customers, scored
        from (
            select
                count(distinct rfm_cell) as cells,
                sum(customer_count) as customers
            from {batch}
        )
        cross join (select count(*) as scored from segment.rfm_scores)
        where cells <> 125 or customers <> scored
        """,
    ),
]
