"""Hands the histories of purchases to kith.models.lifetime_values, to fit and judge."""


def model(dbt, session):
    """One row per model of lifetimes, population and metric."""
    from kith.models.lifetime_values import EVALUATED_FROM, evaluate

    histories = dbt.ref("int_purchase_histories").select(*EVALUATED_FROM)
    return evaluate(histories.to_arrow_table())
