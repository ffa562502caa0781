"""Products: those that are sold are listed, once."""

from kith.gate.rows import WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "No product is one that several other sources list: which is meant is unknown",
        WARNING,
        """
        select product_key
        from {batch}
        where missing_reason = 'several other sources list it'
        """,
    ),
    no_rows(
        "Where products are listed, at most one sold in a hundred is not",
        WARNING,
        """
        select
            count(*) as products_sold,
            count(*) filter (where not is_listed) as not_listed
        from {batch}
        where last_sold_date is not null
            and exists (select 1 from feeds.products)
        having 100 * count(*) filter (where not is_listed) > count(*)
        """,
    ),
]
