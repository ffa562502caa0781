"""The best that anybody could foretell of the demo's customers, from what was planted.

Whoever knew how often each customer buys and is seen, and how likely they leave, would
still not know who has left already: that, only the days since they were last seen tell.
"""

import datetime as dt

import numpy as np
import pandas as pd

from companies.demo.generator.plan import MONTHLY_CHURN
from tests.companies.demo import Demo


def odds(
    demo: Demo,
    customers: pd.DataFrame,
    traces: pd.DataFrame,
    day: dt.date,
    horizon: int,
) -> pd.Series:
    """P(a purchase within the horizon after the day), by customer_id.

    `customers` has a row per identifier (customer_id, identifier_value), `traces` one
    per trace (customer_id, day, is_purchase), those before and after the day alike: from
    all of them it is counted how often somebody who has not left is seen.
    """
    plan = demo.truth["plan"]
    first, last = (pd.Timestamp(plan[name]) for name in ("first_day", "last_day"))
    known = demo.identifiers.merge(customers, on="identifier_value")
    known = known[known["is_linked"] & (known["owner"] == known["customer"])]
    people = demo.known("people")
    people = people[people["organisation"].isna()].set_index("customer")
    people = people.join(known.groupby("customer")["customer_id"].first(), how="inner")
    people = people.drop_duplicates("customer_id").set_index("customer_id")
    strength = sum(
        weight * people[name]
        for name, (_, weight) in demo.truth["planted"]["churn_drivers"].items()
    )
    leaving = MONTHLY_CHURN * np.exp(strength) / 30
    at = (traces["day"] - first).dt.days
    seen = traces.assign(at=at).groupby("customer_id")["at"]
    end = people["churn_day"].fillna((last - first).days + 1)
    span = (end - seen.min().reindex(people.index)).clip(lower=30)
    days = traces.assign(at=at)[["customer_id", "at"]].drop_duplicates()
    of_day = (pd.Timestamp(day) - first).days
    rate = days.groupby("customer_id").size().reindex(people.index) / span
    bought = traces[traces["is_purchase"]]
    bought_days = bought.assign(at=(bought["day"] - first).dt.days)
    bought_days = bought_days[["customer_id", "at"]].drop_duplicates()
    # Of orders that name somebody, as many as the planted rate gives all customers.
    named = len(bought_days) / (people["orders_per_month"] / 30 * span).sum()
    buying = named * people["orders_per_month"] / 30
    before = days[days["at"] <= of_day].groupby("customer_id")["at"].max()
    silent = of_day - before.reindex(people.index)
    still = np.exp(-(leaving + rate) * silent)
    gone = leaving / (leaving + rate) * (1 - still)
    buys = buying / (buying + leaving) * (1 - np.exp(-(buying + leaving) * horizon))
    return still / (still + gone) * buys
