"""Hands what speaks for offers to kith.models.recommendations, to judge the model."""


def model(dbt, session):
    """One row per metric."""
    from numpy import datetime64
    from pyarrow import Table

    from kith.models.recommendations import GROUNDS_FROM, evaluate, read

    products = dbt.ref("products").select("product_key, true as may_be_offered")
    days = dbt.ref("int_observation_days").filter("role = 'score'")
    (today,) = days.select("observed_on").fetchone()
    known = products.to_arrow_table()
    # Read last, and in parts: another query would end this one.
    batches = dbt.ref("int_offer_grounds").select(*GROUNDS_FROM)
    parts = (Table.from_batches([part]) for part in batches.to_arrow_reader(500_000))
    return evaluate(read(parts, known), datetime64(today))
