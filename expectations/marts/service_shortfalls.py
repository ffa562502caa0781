"""Shortfalls of the same answers in every view, and what making them good brings."""

from kith.gate.rows import CRITICAL, no_rows

_WHOLE = (
    "source, survey, outcome, outcome_scale_min, outcome_scale_max, driver_kind, "
    "driver, measure, scale_min, scale_max"
)
EXPECTATIONS = [
    no_rows(
        "All answers to a driver are in one row of each view",
        CRITICAL,
        f"""
        select
            {_WHOLE},
            sum(case when view = 'all' then n end) as n,
            sum(case when view = 'touchpoint' then n end) as touchpoint_n,
            sum(case when view = 'department' then n end) as department_n
        from {{batch}}
        group by {_WHOLE}
        having sum(case when view = 'all' then n end)
                <> sum(case when view = 'touchpoint' then n end)
            or sum(case when view = 'all' then n end)
                <> sum(case when view = 'department' then n end)
        """,
    ),
    no_rows(
        "A shortfall is the target less the performance, within scale and interval",
        CRITICAL,
        """
        select survey, outcome, view, place, driver, shortfall
        from {batch}
        where abs(shortfall - (target_mean - performance_mean)) > 0.000001
            or abs(shortfall) > scale_max - scale_min
            or shortfall not between interval_low and interval_high
        """,
    ),
    no_rows(
        "What lacks a priority has a reason, and only what is behind brings points",
        CRITICAL,
        """
        select survey, outcome, view, place, driver, shortfall, would_bring_points
        from {batch}
        where (priority is null) <> (missing_reason is not null)
            or would_bring_points < 0
            or (shortfall <= 0 and would_bring_points > 0)
        """,
    ),
]
