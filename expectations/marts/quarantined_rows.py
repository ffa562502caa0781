"""Refused rows are few, and show no more than a glimpse."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        description="No value is longer than 200 characters",
        severity=FailureSeverity.CRITICAL,
        unexpected_rows_query="""
            select source_name, table_name, file, row_number
            from {batch}
            where length(value) > 200
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="At most one row in a hundred of a table was refused",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            with refused as (
                select
                    source_name,
                    table_name,
                    count(*) as rows_refused
                from {batch}
                group by source_name, table_name
            ),

            admitted as (
                select source_name, table_name, sum(row_count) as rows_admitted
                from operations.source_deliveries
                group by source_name, table_name
            )

            select source_name, table_name, rows_refused, rows_admitted
            from refused inner join admitted using (source_name, table_name)
            where 100 * rows_refused > rows_refused + rows_admitted
        """,
    ),
]
