"""Hands searches and the range to kith.models.searches."""


def model(dbt, session):
    """One row per query, and one per need and product that meets it."""
    from kith.models.searches import SEARCHED_IN, match_searches

    queries = (
        dbt.ref("feed_events").filter("query is not null").select("query").distinct()
    )
    products = dbt.ref("products").select(*SEARCHED_IN).order("product_key")
    return match_searches(
        queries.order("query").to_arrow_table(), products.to_arrow_table()
    )
