"""Values less costs that add up, of all who were asked."""

from kith.gate.rows import CRITICAL, WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "Delivered value is total value less total cost, within its interval",
        CRITICAL,
        """
        select source, survey, breakdown, segment, period_start, delivered_value
        from {batch}
        where abs(delivered_value - (total_value - total_cost)) > 0.000001
            or delivered_value not between interval_low and interval_high
            or (delivered_value is null) = (missing_reason is null)
            or (missing_parts is null) <> (completeness = 'whole')
        """,
    ),
    no_rows(
        "Who is in a segment is counted in all",
        CRITICAL,
        """
        select source, survey, scale_max, period_start, in_all, in_segments
        from (
            select
                source, survey, scale_min, scale_max, period_grain, period_start,
                sum(case when breakdown = 'total' then persons end) as in_all,
                sum(case when breakdown = 'segment' then persons end) as in_segments
            from (
                select
                    source, survey, scale_min, scale_max, period_grain, period_start,
                    breakdown, person_count + incomplete_count as persons
                from {batch}
            ) as rows_here
            group by source, survey, scale_min, scale_max, period_grain, period_start
        ) as counted
        where in_all <> in_segments
        """,
    ),
    no_rows(
        "Of thirty persons who were asked, at least half told all parts",
        WARNING,
        """
        select source, survey, scale_max, person_count, incomplete_count
        from {batch}
        where breakdown = 'total' and period_grain = 'all'
            and person_count + incomplete_count >= 30
            and incomplete_count > person_count
        """,
    ),
]
