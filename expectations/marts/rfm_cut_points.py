"""Cuts ascend, and were made from those who are scored."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        description="Cut points ascend",
        severity=FailureSeverity.CRITICAL,
        unexpected_rows_query="""
            select dimension
            from {batch}
            where not (cut_20 <= cut_40 and cut_40 <= cut_60 and cut_60 <= cut_80)
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="The cuts were made from all scored customers",
        severity=FailureSeverity.CRITICAL,
        unexpected_rows_query="""
            select dimension, n as customers_cut, scored
            from {batch}
            cross join (select count(*) as scored from segment.rfm_scores)
            where n <> scored
        """,
    ),
]
