"""Quotations."""

import great_expectations.expectations as gxe

from kith.gate.rows import WARNING

EXPECTATIONS = [
    gxe.ExpectColumnPairValuesAToBeGreaterThanB(
        description="No quotation is decided before it was given",
        severity=WARNING,
        column_A="decided_at",
        column_B="quoted_at",
        or_equal=True,
        ignore_row_if="either_value_is_missing",
    ),
    gxe.ExpectColumnValuesToBeBetween(
        description="No price below 0",
        severity=WARNING,
        column="price_amount",
        min_value=0,
    ),
    gxe.ExpectColumnValuesToBeBetween(
        description="Quotations offer more than 0 units",
        severity=WARNING,
        column="quantity",
        min_value=0,
        strict_min=True,
    ),
    gxe.ExpectColumnValuesToBeInSet(
        description="Quotations are accepted, declined or expired",
        severity=WARNING,
        column="outcome",
        value_set=["accepted", "declined", "expired"],
    ),
]
