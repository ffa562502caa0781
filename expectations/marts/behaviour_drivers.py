"""Shares of effects sum up, lie in their intervals and are missing for a reason."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "The shares of a segment sum to 100 %",
        CRITICAL,
        """
        select segment, sum(share_pct) as share_pct
        from {batch}
        group by outcome, scheme, segment
        having abs(sum(share_pct) - 100) > 0.000001
        """,
    ),
    no_rows(
        "A share lies within its interval, and none is below 0",
        CRITICAL,
        """
        select segment, behaviour, share_pct
        from {batch}
        where share_pct < 0
            or share_pct < share_pct_lower_bound
            or share_pct > share_pct_upper_bound
        """,
    ),
    no_rows(
        "What has no share has a reason, and nothing that leaks has a share",
        CRITICAL,
        """
        select segment, behaviour, share_pct, missing_reason
        from {batch}
        where (share_pct is null) <> (missing_reason is not null)
            or (is_leak and share_pct is not null)
        """,
    ),
]
