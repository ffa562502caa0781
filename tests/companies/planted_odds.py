"""The best that anybody could foretell of the demo's customers, from what was planted.

Whoever knew how often each customer buys and is seen, and how likely they leave, would
still not know who has left already: that, only the days since they were last seen tell.
"""

import datetime as dt
from collections.abc import Callable

import numpy as np
import pandas as pd

from companies.demo.generator.plan import MONTHLY_CHURN
from kith.models.judgements import area_under_curve
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
    per trace (customer_id, day, is_purchase), those before and after the day alike:
    from all of them it is counted how often somebody who has not left is seen.
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


def area_possible(demo: Demo, query: Callable[[str], pd.DataFrame]) -> float:
    """AUC of these odds, of who was asked on the day of judging whether they buy."""
    asked = query(
        """
        select customer_id, observed_on, outcome
        from intermediate.int_outcomes
        where question = 'buys_again' and role = 'test'
        """
    ).set_index("customer_id")
    best = odds(
        demo,
        query(
            "select customer_id, identifier_value from customer.customer_identifiers"
        ),
        query(
            """
            select customer_id, occurred_date as day, false as is_purchase
            from customer.interactions
            where customer_id is not null
                and interaction_kind not in ('contact', 'order')
            union all
            select customer_id, order_date as day, is_purchase
            from customer.orders
            where customer_id <> 'unidentified' and not has_return
            """
        ),
        asked["observed_on"].iloc[0].date(),
        90,
    ).reindex(asked.index)
    is_known = best.notna().to_numpy()
    assert is_known.mean() > 0.99
    outcome = asked["outcome"].astype(bool).to_numpy()
    area = area_under_curve(outcome[is_known], best.to_numpy()[is_known]).value
    assert area is not None
    return area
