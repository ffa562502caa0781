"""Targets."""

import great_expectations.expectations as gxe

from kith.gate.rows import WARNING

EXPECTATIONS = [
    gxe.ExpectColumnPairValuesAToBeGreaterThanB(
        description="No period ends before it begins",
        severity=WARNING,
        column_A="period_end",
        column_B="period_start",
        or_equal=True,
        ignore_row_if="either_value_is_missing",
    ),
]
