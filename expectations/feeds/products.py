"""Products."""

import great_expectations.expectations as gxe

from kith.gate.rows import CRITICAL, WARNING, cure

EXPECTATIONS = [
    gxe.ExpectColumnValuesToBeBetween(
        description="No unit costs less than 0",
        severity=CRITICAL,
        column="unit_cost_amount",
        min_value=0,
        meta=cure("give costs as 0 or more, and NULL where a cost is unknown"),
    ),
    gxe.ExpectColumnValuesToBeBetween(
        description="No price below 0",
        severity=WARNING,
        column="list_price_amount",
        min_value=0,
    ),
    gxe.ExpectColumnPairValuesAToBeGreaterThanB(
        description="At most one product in ten costs more than its price",
        severity=WARNING,
        column_A="list_price_amount",
        column_B="unit_cost_amount",
        or_equal=True,
        ignore_row_if="either_value_is_missing",
        mostly=0.9,
    ),
]
