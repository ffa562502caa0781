"""Searches in vain are a part of all searches, and so are those who made them."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "Searches in vain are no more than all searches of the month and region",
        CRITICAL,
        """
        select month, region
        from {batch}
        group by month, region
        having sum(search_count) > min(all_search_count)
            or min(all_search_count) <> max(all_search_count)
            or min(n) <> max(n)
        """,
    ),
    no_rows(
        "Who searched is counted once, and words are shown of one need alone",
        CRITICAL,
        """
        select month, region, need
        from {batch}
        where customer_count > seeker_count
            or seeker_count > search_count
            or seeker_count > n
            or term_count < 1
            or need is not null and term_count <> 1
        """,
    ),
    no_rows(
        "A share lies within its interval, and a missing one has a reason",
        CRITICAL,
        """
        select month, region, need
        from {batch}
        where seeker_share_pct not between seeker_share_low_pct - 1e-9
                and seeker_share_high_pct + 1e-9
            or (seeker_share_pct is null) <> (missing_reason is not null)
        """,
    ),
]
