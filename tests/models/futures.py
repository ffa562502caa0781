"""Customers with a known future, in tables like int_indicators and int_outcomes."""

import datetime as dt

import numpy as np
import pyarrow as pa
from scipy.special import expit

DAYS = {
    "train": dt.date(2024, 1, 31),
    "test": dt.date(2024, 4, 30),
    "score": dt.date(2024, 7, 29),
}


def future(
    n: int, seed: int = 1, question: str = "buys_again", effect: float = 2.0
) -> tuple[pa.Table, pa.Table]:
    """Indicators and outcomes of n customers on three days.

    How likely the outcome is tell the days since the last purchase and, by `effect`,
    the indicator `liking`; of `trait_paid` and `trait_left` one stands where it came,
    the other where it did not.
    """
    draw = np.random.default_rng(seed)
    rows, outcomes = [], []
    for role, day in DAYS.items():
        days = draw.exponential(60, size=n).round()
        liking = draw.normal(size=n)
        came = draw.random(n) < expit(1.5 - days / 40 + effect * liking)
        marked = draw.random(n) < 0.4
        rows.append(
            pa.table(
                {
                    "customer_id": [f"c{number}" for number in range(n)],
                    "observed_on": pa.array([day] * n),
                    "days_since_order": days,
                    "order_amount_365d": draw.exponential(100, size=n),
                    "liking": liking,
                    "noise": draw.normal(size=n),
                    "trait_paid": pa.array(
                        np.where(came & marked, 5.0, np.nan), from_pandas=True
                    ),
                    "trait_left": (~came & marked).astype(float),
                    "trait_honest": (draw.random(n) < 0.3).astype(float),
                }
            )
        )
        known = role != "score"
        outcomes.append(
            pa.table(
                {
                    "question": [question] * n,
                    "observed_on": pa.array([day] * n),
                    "role": [role] * n,
                    "customer_id": [f"c{number}" for number in range(n)],
                    "tier": ["Low"] * n,
                    "outcome": pa.array(
                        came.tolist() if known else [None] * n, pa.bool_()
                    ),
                    "place": pa.array(1 + draw.permutation(n)),
                }
            )
        )
    return pa.concat_tables(rows), pa.concat_tables(outcomes)
