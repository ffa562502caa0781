"""Stores and other places."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.ExpectColumnValuesToBeBetween(
        description="Latitude from -90 to 90",
        severity=FailureSeverity.WARNING,
        column="latitude",
        min_value=-90,
        max_value=90,
    ),
    gxe.ExpectColumnValuesToBeBetween(
        description="Longitude from -180 to 180",
        severity=FailureSeverity.WARNING,
        column="longitude",
        min_value=-180,
        max_value=180,
    ),
    gxe.UnexpectedRowsExpectation(
        description="Places are stores, malls, branches or regions",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select source, place_id, kind
            from {batch}
            where kind not in ('store', 'mall', 'branch', 'region')
        """,
    ),
]
