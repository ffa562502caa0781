"""Readers never go back in time without being told.

To go back on purpose, after days that should not have been admitted: remove the last
release's entry from history/publications.
"""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "The data reach at least as far as in the last publication",
        CRITICAL,
        """
        select release_id, data_as_of as published_as_of, as_of_date as as_of
        from {batch}
        where data_as_of > as_of_date
            and published_at = (
                select max(published_at) from operations.publications
            )
        """,
    ),
]
