"""Shares and what is unlisted sum up, lie in their intervals, or have a reason."""

from kith.gate.rows import CRITICAL, no_rows

_WHOLE = (
    "period_grain, period_start, source, survey, outcome, outcome_scale_min, "
    "outcome_scale_max, segment, driver_kind"
)
EXPECTATIONS = [
    no_rows(
        "The shares of drivers sum to 100 %, and so does the variance with unlisted",
        CRITICAL,
        f"""
        select {_WHOLE}, sum(share_pct) as share_pct, sum(variance_pct) as variance_pct
        from {{batch}}
        group by {_WHOLE}
        having abs(sum(share_pct) - 100) > 0.000001
            or abs(sum(variance_pct) - 100) > 0.000001
        """,
    ),
    no_rows(
        "Shares and effects lie within their intervals, and no share is below 0",
        CRITICAL,
        """
        select survey, outcome, period_start, segment, driver, share_pct
        from {batch}
        where share_pct < 0
            or share_pct not between share_pct_low and share_pct_high
            or points_per_point not between points_per_point_low
                and points_per_point_high
        """,
    ),
    no_rows(
        "What has no share has a reason, and only that",
        CRITICAL,
        """
        select survey, outcome, period_start, segment, driver, share_pct
        from {batch}
        where (share_pct is null) <> (missing_reason is not null)
            or (share_pct is null) <> (driver_rank is null)
        """,
    ),
]
