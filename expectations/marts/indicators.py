"""Each indicator is judged, and there are enough of them."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "An indicator is used, or says why it is not",
        CRITICAL,
        """
        select indicator, status, reason
        from {batch}
        where status not in ('used', 'constant', 'sparse', 'redundant', 'leak')
            or (status = 'used') <> (reason is null)
        """,
    ),
    no_rows(
        "No more customers differ, or are known, than were looked at",
        CRITICAL,
        """
        select indicator, known_count, differing_count, n
        from {batch}
        where known_count not between 0 and n or differing_count not between 0 and n
        """,
    ),
    no_rows(
        "Five hundred indicators or more are there",
        CRITICAL,
        "select count(*) as indicators from {batch} having count(*) < 500",
    ),
]
