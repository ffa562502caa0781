"""Hands indicators and outcomes of the day of training to kith.models.drivers."""


def model(dbt, session):
    """One row per segment and behaviour."""
    from kith.models.drivers import find_drivers

    return find_drivers(
        dbt.ref("int_indicators_asked").to_arrow_table(),
        dbt.ref("int_outcomes").to_arrow_table(),
        dbt.ref("int_indicator_findings").to_arrow_table(),
        dbt.config.meta_get("own_indicators"),
    )
