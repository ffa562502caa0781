"""What customers prefer is told by enough of their traces, or by themselves."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "A preference is stated or shown, and a missing one has a reason",
        CRITICAL,
        """
        select customer_id, dimension, preference
        from {batch}
        where (preference is null) <> (missing_reason is not null)
            or (preference is null) <> (strength is null)
            or preference is not null and not is_stated and evidence_count = 0
        """,
    ),
    no_rows(
        "A share lies within its interval, and traces with it are some of all",
        CRITICAL,
        """
        select customer_id, dimension, evidence_count, n
        from {batch}
        where share_pct not between share_low_pct - 1e-9 and share_high_pct + 1e-9
            or evidence_count > n
            or (share_pct is null) <> (n = 0)
        """,
    ),
]
