"""Those warned and those who left are customers of the day; rates lie in intervals."""

from kith.gate.rows import CRITICAL, WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "Warned who left are some of those warned and of those who left",
        CRITICAL,
        """
        select sign, period, n, left_count, warned_count, hit_count
        from {batch}
        where hit_count > warned_count
            or hit_count > left_count
            or warned_count - hit_count > n - left_count
        """,
    ),
    no_rows(
        "Each day is judged by the customers that it has, whatever the sign",
        CRITICAL,
        """
        select period, min(n) as fewest, max(n) as most
        from {batch}
        group by period
        having min(n) <> max(n) or min(left_count) <> max(left_count)
        """,
    ),
    no_rows(
        "A rate lies within its interval, and a missing one has a reason",
        CRITICAL,
        """
        select sign, period, error_rate, miss_rate, missing_reason
        from {batch}
        where error_rate not between error_rate_low - 1e-12 and error_rate_high + 1e-12
            or miss_rate not between miss_rate_low - 1e-12 and miss_rate_high + 1e-12
            or (error_rate is null or miss_rate is null) <> (missing_reason is not null)
        """,
    ),
    no_rows(
        "Warned customers leave more often than others",
        WARNING,
        """
        select sign, n, warned_count, base_rate, error_rate_low
        from {batch}
        where sign = 'any' and period = 'all' and 1 - error_rate_low < base_rate
        """,
    ),
]
