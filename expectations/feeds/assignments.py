"""Customers in the care of employees."""

import great_expectations.expectations as gxe

from kith.gate.rows import WARNING

EXPECTATIONS = [
    gxe.ExpectColumnPairValuesAToBeGreaterThanB(
        description="No assignment ends before it begins",
        severity=WARNING,
        column_A="valid_to",
        column_B="valid_from",
        or_equal=True,
        ignore_row_if="either_value_is_missing",
    ),
]
