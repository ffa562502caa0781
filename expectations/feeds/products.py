"""Products."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.ExpectColumnValuesToBeBetween(
        description="No price below 0",
        severity=FailureSeverity.WARNING,
        column="list_price_amount",
        min_value=0,
    ),
    gxe.UnexpectedRowsExpectation(
        description="At most one product in ten costs more than its price",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            with priced as (
                select unit_cost_amount > list_price_amount as is_loss from {batch}
            )

            select count(is_loss) as products, count(*) filter (is_loss) as losses
            from priced
            having 10 * count(*) filter (is_loss) > count(is_loss)
        """,
    ),
]
