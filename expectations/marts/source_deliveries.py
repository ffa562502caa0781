"""What arrived is about what usually arrives."""

import great_expectations.expectations as gxe

from kith.gate.rows import CRITICAL, WARNING, no_rows

EXPECTATIONS = [
    gxe.ExpectColumnSumToBeBetween(
        description="Something arrived",
        severity=CRITICAL,
        column="row_count",
        min_value=1,
    ),
    gxe.ExpectColumnValuesToNotBeInSet(
        description="No day is missing",
        severity=WARNING,
        column="status",
        value_set=["missing"],
    ),
    gxe.ExpectColumnValuesToBeInSet(
        description="On no day more rows came too late than the table's limit allows",
        severity=WARNING,
        column="late_alert",
        value_set=["none"],
    ),
    no_rows(
        "At the as-of date no table is older than its freshness allows",
        WARNING,
        """
        select source_name, table_name, newest_row_age_hours, freshness
        from {batch}
        where day = as_of_date and freshness <> 'fresh'
        """,
    ),
    no_rows(
        "The last seven days brought half to double the rows of a usual week",
        WARNING,
        """
        with weeks as (
            select
                source_name,
                table_name,
                sum(row_count) filter (
                    where day > as_of_date - interval 7 day
                ) as last_week,
                sum(row_count) filter (
                    where day <= as_of_date - interval 7 day
                ) / 4.0 as usual_week
            from {batch}
            where day > as_of_date - interval 35 day
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
