"""What changed after it was published is told with old and new, and with a reason."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "Old and new number of a restatement differ, and the difference is theirs",
        CRITICAL,
        """
        select release_id, mart, measure, old_value, new_value, difference
        from {batch}
        where (old_value is null and new_value is null)
            or old_value = new_value
            or difference <> coalesce(new_value, 0) - coalesce(old_value, 0)
        """,
    ),
    no_rows(
        "Each restatement has a reason, and those beyond the limit somebody's approval",
        CRITICAL,
        """
        select release_id, mart, measure, reason, is_beyond_limit, approved_by
        from {batch}
        where reason = '' or is_beyond_limit <> (approved_by is not null)
        """,
    ),
]
