"""Readers never go back in time without being told."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        description="The data reach at least as far as those published before",
        severity=FailureSeverity.CRITICAL,
        unexpected_rows_query="""
            select release_id, data_as_of as published_as_of, as_of_date as as_of
            from {batch}
            where data_as_of > as_of_date
        """,
    ),
]
