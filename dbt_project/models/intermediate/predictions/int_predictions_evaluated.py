"""Hands indicators, outcomes and leaks to kith.models.predictions, to fit and judge."""


def model(dbt, session):
    """One row per model and metric."""
    from kith.models.predictions import Limits, evaluate

    limits = Limits.of_percents(
        dbt.config.meta_get("max_error_rate_pct"),
        dbt.config.meta_get("max_miss_rate_pct"),
    )
    return evaluate(
        dbt.ref("int_indicators_asked").to_arrow_table(),
        dbt.ref("int_outcomes").to_arrow_table(),
        dbt.ref("int_indicator_findings").to_arrow_table(),
        limits,
    )
