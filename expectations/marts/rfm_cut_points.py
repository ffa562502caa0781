"""Cuts ascend, and were made from those who are scored."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "Cut points ascend",
        CRITICAL,
        """
        select dimension
        from {batch}
        where not (cut_20 <= cut_40 and cut_40 <= cut_60 and cut_60 <= cut_80)
        """,
    ),
    no_rows(
        "The cuts were made from all scored customers",
        CRITICAL,
        """
        select dimension, n as customers_cut, scored
        from {batch}
        cross join (select count(*) as scored from segment.rfm_scores)
        where n <> scored
        """,
    ),
]
