"""Readers never go back in time without being told.

To go back on purpose, after days that should not have been admitted: remove the last
release's entry from history/publications.
"""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        description="The data reach at least as far as in the last publication",
        severity=FailureSeverity.CRITICAL,
        unexpected_rows_query="""
            select release_id, data_as_of as published_as_of, as_of_date as as_of
            from {batch}
            where data_as_of > as_of_date
                and published_at = (
                    select max(published_at) from operations.publications
                )
        """,
    ),
]
