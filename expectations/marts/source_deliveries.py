"""What arrived is about what usually arrives."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        description="Something arrived",
        severity=FailureSeverity.CRITICAL,
        unexpected_rows_query="""
            select sum(row_count) as rows_arrived
            from {batch}
            having coalesce(sum(row_count), 0) = 0
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="No day is missing",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select source_name, table_name, day from {batch} where status = 'missing'
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="On no day more rows came too late than the table's limit allows",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select source_name, table_name, day, out_of_window_count, row_count
            from {batch}
            where late_alert <> 'none'
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="At the as-of date no table is older than its freshness allows",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select source_name, table_name, newest_row_age_hours, freshness
            from {batch}
            where day = as_of_date and freshness <> 'fresh'
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description=(
            "The last seven days brought half to double the rows of a usual week"
        ),
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            with weeks as (
                select
                    source_name,
                    table_name,
                    sum(row_count) filter (day > as_of_date - 7) as last_week,
                    sum(row_count) filter (day <= as_of_date - 7) / 4.0 as usual_week
                from {batch}
                where day > as_of_date - 35
                group by source_name, table_name
                having count(*) = 35
            )

            select source_name, table_name, last_week, usual_week
            from weeks
            where last_week not between 0.5 * usual_week and 2 * usual_week
                -- Counts scatter by their square root: a handful proves nothing.
                and abs(last_week - usual_week) > 4 * sqrt(usual_week + 1)
        """,
    ),
]
