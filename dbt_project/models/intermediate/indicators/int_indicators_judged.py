"""Hands indicators as of the as-of date to kith.models.indicators, to be judged."""


def model(dbt, session):
    """One row per indicator: whether it tells anything that others do not."""
    from kith.models.indicators import judge, sample_bound

    (day,) = dbt.ref("int_observation_days").max("observed_on").fetchone()
    indicators = dbt.ref("int_indicators").filter(f"observed_on = date '{day}'")
    (customers,) = indicators.count("customer_id").fetchone()
    bound = sample_bound(customers)
    return judge(indicators.filter(f"customer_id < '{bound}'").to_arrow_table())
