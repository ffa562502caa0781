"""What is open adds up: from day to day, by age and over the kinds of cases."""

from kith.gate.rows import CRITICAL, WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "What is open is what was open the day before, and what came less what ended",
        CRITICAL,
        """
        select day, kind, open_count, opened_count, resolved_count, open_before
        from (
            select
                day, kind, open_count, opened_count, resolved_count,
                coalesce(
                    lag(open_count) over (partition by kind order by day nulls last), 0
                ) as open_before
            from {batch}
        ) as days
        where open_count <> open_before + opened_count - resolved_count
            or open_count < 0
        """,
    ),
    no_rows(
        "The ages of what is open add up to it, and the kinds to all",
        CRITICAL,
        """
        select day, sum(open_count) as open_cases
        from {batch}
        group by day
        having sum(open_count) <> 2 * sum(case when kind = 'all' then open_count end)
            or sum(open_count) <> sum(
                open_to_1_day_count + open_2_to_7_days_count
                + open_8_to_30_days_count + open_over_30_days_count
            )
            or sum(overdue_count) > sum(open_count)
        """,
    ),
    no_rows(
        "Cases that are resolved are the cases of the mart complaints",
        CRITICAL,
        """
        select resolved, found
        from (
            select sum(resolved_count) as resolved from {batch} where kind = 'all'
        )
        cross join (
            select count(*) as found from satisfaction.complaints
            where state = 'resolved'
        )
        where coalesce(resolved, 0) <> found
        """,
    ),
    no_rows(
        "Of thirty open cases, at most half are older than thirty days",
        WARNING,
        """
        select day, open_count, open_over_30_days_count
        from {batch}
        where kind = 'all' and day = as_of_date and open_count >= 30
            and 2 * open_over_30_days_count > open_count
        """,
    ),
]
