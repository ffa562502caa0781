"""Refused rows are few, and show no more than a glimpse."""

import great_expectations.expectations as gxe

from kith.gate.rows import CRITICAL, WARNING, no_rows

EXPECTATIONS = [
    gxe.ExpectColumnValueLengthsToBeBetween(
        description="No value is longer than 200 characters",
        severity=CRITICAL,
        column="value",
        max_value=200,
    ),
    no_rows(
        "At most one row in a hundred of a table was refused",
        WARNING,
        """
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

        select
            source_name || '.' || table_name as source_table,
            rows_refused,
            rows_admitted
        from refused inner join admitted using (source_name, table_name)
        where 100 * rows_refused > rows_refused + rows_admitted
        """,
    ),
]
