"""Hands what kith.models.predictions has published the customers of today."""


def model(dbt, session):
    """One row per question and customer asked."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from kith.models.predictions import Limits, predict

    limits = Limits.of_percents(
        dbt.config.meta_get("max_error_rate_pct"),
        dbt.config.meta_get("max_miss_rate_pct"),
    )
    outcomes = dbt.ref("int_outcomes").to_arrow_table()
    today = pc.max(outcomes["observed_on"]).as_py()
    rows = dbt.ref("int_indicators").filter(f"observed_on = '{today}'")
    return predict(
        dbt.ref("int_indicators_asked").to_arrow_table(),
        outcomes,
        dbt.ref("int_indicator_findings").to_arrow_table(),
        dbt.ref("int_predictions_evaluated").to_arrow_table(),
        limits,
        map(pa.table, rows.to_arrow_reader(50_000)),
    )
