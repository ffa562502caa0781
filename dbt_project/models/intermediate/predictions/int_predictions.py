"""Hands what kith.models.predictions has published the customers of today."""


def model(dbt, session):
    """One row per question and customer asked."""
    from pyarrow import Table

    from kith.models.predictions import Limits, predict

    limits = Limits.of_percents(
        dbt.config.meta_get("max_error_rate_pct"),
        dbt.config.meta_get("max_miss_rate_pct"),
    )
    (today,) = (
        dbt.ref("int_observation_days")
        .filter("role = 'score'")
        .select("observed_on")
        .fetchone()
    )
    learnt_from = (
        dbt.ref("int_indicators_asked").to_arrow_table(),
        dbt.ref("int_outcomes").to_arrow_table(),
        dbt.ref("int_indicator_findings").to_arrow_table(),
        dbt.ref("int_predictions_evaluated").to_arrow_table(),
    )
    # Read last, and in parts: another query would end this one.
    rows = dbt.ref("int_indicators").filter(f"observed_on = '{today}'")
    batches = rows.to_arrow_reader(50_000)
    parts = (Table.from_batches([batch]) for batch in batches)
    return predict(*learnt_from, limits, parts)
