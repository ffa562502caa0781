"""Hands indicators and what came after them to kith.models.leaks."""


def model(dbt, session):
    """One row per question and indicator that gives the outcome away."""
    from kith.models.leaks import find_leaks

    return find_leaks(
        dbt.ref("int_indicators_asked").to_arrow_table(),
        dbt.ref("int_outcomes").to_arrow_table(),
    )
