"""Hands what speaks for offers, and its worth, to kith.models.recommendations."""


def model(dbt, session):
    """One row per customer and offer."""
    from numpy import datetime64
    from pyarrow import Table, concat_tables

    from kith.models.recommendations import GROUNDS_FROM, read, recommend

    products = dbt.ref("products").select("product_key, may_be_offered")
    days = dbt.ref("int_observation_days").filter("role = 'score'")
    (today,) = days.select("observed_on").fetchone()
    known = products.to_arrow_table()
    evaluations = dbt.ref("int_recommendations_evaluated").to_arrow_table()
    # Read last, and in parts: another query would end this one.
    batches = dbt.ref("int_offer_grounds").select(*GROUNDS_FROM)
    parts = (Table.from_batches([part]) for part in batches.to_arrow_reader(500_000))
    offers = recommend(read(parts, known), evaluations, datetime64(today))
    return concat_tables(offers)
