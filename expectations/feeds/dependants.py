"""Persons cared for."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        description="Nobody is older than 120 years, or due in more than ten months",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select source, dependant_id
            from {batch}
            where birth_date > (select as_of_date + interval 10 month from kith.run)
                or birth_date < (select as_of_date - interval 120 year from kith.run)
        """,
    ),
]
