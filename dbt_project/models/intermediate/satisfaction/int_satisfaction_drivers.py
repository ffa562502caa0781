"""Hands the answers of all surveys to kith.models.satisfaction_drivers."""


def model(dbt, session):
    """One row per survey, outcome, part of it and driver."""
    from kith.models.satisfaction_drivers import find_satisfaction_drivers

    return find_satisfaction_drivers(dbt.ref("int_answers_placed").to_arrow_table())
