"""What a suite takes beside Great Expectations' own expectations."""

from great_expectations.expectations import UnexpectedRowsExpectation
from great_expectations.expectations.metadata_types import FailureSeverity

CRITICAL = FailureSeverity.CRITICAL
WARNING = FailureSeverity.WARNING


def cure(words: str) -> dict[str, str]:
    """`meta` of a feed's expectation: what its staging models have to do.

    The words follow "let stg_till__orders.sql".
    """
    return {"cure": words}


def no_rows(
    description: str,
    severity: FailureSeverity,
    query: str,
    meta: dict[str, str] | None = None,
) -> UnexpectedRowsExpectation:
    """Expect that an SQL query returns no row.

    The query selects the key of each failing row, or the figures that disagree.
    `{batch}` in it stands for the suite's table. In a query with a join, give it an
    alias; in one without, Great Expectations has given it one already.
    """
    return UnexpectedRowsExpectation(
        description=description,
        severity=severity,
        unexpected_rows_query=query,
        meta=meta,
    )
