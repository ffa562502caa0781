"""A row for each link and lag, with what was found or the reason why nothing was."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "Each of four links has a row for each of six lags",
        CRITICAL,
        """
        select count(*) as row_count
        from {batch}
        having count(*) <> 24
            or count(distinct concat(cause, ' ', effect, ' ', lag_months)) <> 24
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
