"""Hands histories of purchases and the fitted models to kith.models.lifetime_values."""


def model(dbt, session):
    """One row per customer who has bought: what they will buy."""
    from kith.models.lifetime_values import PREDICTED_FROM, predict

    histories = dbt.ref("int_purchase_histories").select(*PREDICTED_FROM)
    return predict(
        histories.to_arrow_table(),
        dbt.ref("int_lifetimes_evaluated").to_arrow_table(),
        dbt.config.meta_get("monthly_discount_pct"),
    )
