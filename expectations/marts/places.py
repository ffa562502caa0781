"""Places: those that rows name are listed."""

from kith.gate.rows import WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "Where places are listed, at most one named in a hundred is not",
        WARNING,
        """
        select
            count(*) as places_known,
            count(*) filter (where not is_listed) as not_listed
        from {batch}
        where exists (select 1 from feeds.places)
        having 100 * count(*) filter (where not is_listed) > count(*)
        """,
    ),
]
