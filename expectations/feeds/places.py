"""Stores and other places."""

import great_expectations.expectations as gxe

from kith.gate.rows import WARNING

EXPECTATIONS = [
    gxe.ExpectColumnValuesToBeBetween(
        description="Latitude from -90 to 90",
        severity=WARNING,
        column="latitude",
        min_value=-90,
        max_value=90,
    ),
    gxe.ExpectColumnValuesToBeBetween(
        description="Longitude from -180 to 180",
        severity=WARNING,
        column="longitude",
        min_value=-180,
        max_value=180,
    ),
    gxe.ExpectColumnValuesToBeInSet(
        description="Places are stores, malls, branches or regions",
        severity=WARNING,
        column="kind",
        value_set=["store", "mall", "branch", "region"],
    ),
]
