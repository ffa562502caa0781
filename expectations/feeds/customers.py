"""Customer records."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        description="No registration lies after the as-of date",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select source, customer_record_id
            from {batch}
            where registered_at >= (select as_of_at from kith.run)
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="At least nine records in ten name the customer",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select count(*) as records, count(identifier_value) as named
            from {batch}
            having 10 * count(identifier_value) < 9 * count(*)
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="Customers are persons or organisations",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select source, customer_record_id, customer_kind
            from {batch}
            where customer_kind not in ('person', 'organisation')
        """,
    ),
]
