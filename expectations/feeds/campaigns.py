"""Campaigns."""

import great_expectations.expectations as gxe

from kith.gate.rows import WARNING

EXPECTATIONS = [
    gxe.ExpectColumnPairValuesAToBeGreaterThanB(
        description="No campaign ends before it begins",
        severity=WARNING,
        column_A="ends_at",
        column_B="starts_at",
        or_equal=True,
        ignore_row_if="either_value_is_missing",
    ),
    gxe.ExpectColumnValuesToBeBetween(
        description="No cost below 0",
        severity=WARNING,
        column="cost_amount",
        min_value=0,
    ),
]
