"""A row for each link and lag, with what was found or the reason why nothing was."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "Each of four links has a row for each of six lags",
        CRITICAL,
        """
        select cause, effect, count(*) as row_count, count(distinct lag_months) as lags
        from {batch}
        group by cause, effect
        having count(*) <> 6 or count(distinct lag_months) <> 6
        union all
        select 'all' as cause, 'all' as effect, count(*) as row_count, 6 as lags
        from {batch}
        having count(*) <> 24
        """,
    ),
    no_rows(
        "What was found lies in its interval and is told in words; else a reason is",
        CRITICAL,
        """
        select cause, effect, lag_months, effect_change, missing_reason
        from {batch}
        where effect_change not between interval_low and interval_high
            or (effect_change is null) <> (missing_reason is not null)
            or (words is null) <> (effect_change is null)
        """,
    ),
]
