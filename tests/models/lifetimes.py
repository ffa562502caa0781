"""Customers as BG/NBD and Gamma-Gamma imagine them, and the real ones of CDNOW."""

import csv
import datetime as dt
from collections import defaultdict
from functools import cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from tests.shared_data import shared_data

CALIBRATED_TO = dt.date(1997, 9, 30)
FIRST, LAST = dt.date(2022, 1, 1), dt.date(2023, 12, 31)


class Simulated(NamedTuple):
    """One entry per repeat purchase: whose, how many weeks after the first, how much.

    `age` is how many weeks ago each customer came.
    """

    customer: np.ndarray
    after: np.ndarray
    amount: np.ndarray
    age: np.ndarray


def simulated(
    count: int,
    seed: int = 1,
    lives: tuple[float, float, float, float] = (0.243, 4.414, 0.793, 2.426),
    money: tuple[float, float, float] = (6.25, 3.74, 15.44),
    days: tuple[int, int] = (182, 728),
) -> Simulated:
    """Customers who came so many days ago, by these parameters (in weeks)."""
    random = np.random.default_rng(seed)
    r, alpha, a, b = lives
    p, q, v = money
    age = random.integers(days[0], days[1] + 1, count) / 7
    rate = random.gamma(r, 1 / alpha, count)
    leaves = random.beta(a, b, count)
    price = random.gamma(q, 1 / v, count)
    who = np.arange(count)
    at = np.zeros(count)
    customers, times = [], []
    while len(who):
        with np.errstate(divide="ignore"):
            at = at + random.exponential(1, len(who)) / rate[who]
        came = at < age[who]
        who, at = who[came], at[came]
        customers.append(who)
        times.append(at)
        stays = random.random(len(who)) >= leaves[who]
        who, at = who[stays], at[stays]
    customer = np.concatenate(customers)
    amount = random.gamma(p, 1, len(customer)) / price[customer]
    return Simulated(customer, np.concatenate(times), amount, age)


def histories(people: Simulated, held_out_weeks: float = 26) -> pa.Table:
    """What kith.models.lifetime_values reads of them, with times in whole days.

    In the pipeline purchases of one day are one; here they stay as many as they are.
    """
    count = len(people.age)
    customer, after = people.customer, people.after

    def sums(chosen: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        of_them = None if weights is None else weights[chosen]
        return np.bincount(customer[chosen], of_them, count)

    def last(chosen: np.ndarray) -> np.ndarray:
        latest = np.zeros(count)
        np.maximum.at(latest, customer[chosen], after[chosen])
        return np.rint(7 * latest)

    every = np.ones(len(customer), dtype=bool)
    before = after < people.age[customer] - held_out_weeks
    trained = people.age - held_out_weeks
    is_known = trained >= 0
    return pa.table(
        {
            "customer_id": np.arange(count).astype(str),
            "population": pa.array(["new"] * count),
            "repeat_count": sums(every),
            "first_to_last_days": last(every),
            "days_since_first_order": np.rint(7 * people.age),
            "repeat_amount": sums(every, people.amount),
            "trained_repeat_count": pa.array(sums(before), mask=~is_known),
            "trained_first_to_last_days": pa.array(last(before), mask=~is_known),
            "trained_days": pa.array(np.rint(7 * trained), mask=~is_known),
            "trained_repeat_amount": pa.array(
                sums(before, people.amount), mask=~is_known
            ),
            "held_out_count": sums(~before),
            "held_out_amount": sums(~before, people.amount),
            **{
                name: pa.array([day] * count)
                for name, day in {
                    "window_start": FIRST,
                    "held_out_start": LAST - dt.timedelta(7 * held_out_weeks - 1),
                    "window_end": LAST,
                }.items()
            },
        }
    )


@cache
def cdnow() -> dict[int, dict[dt.date, float]]:
    """What each customer of the 1/10 sample paid on each day until mid-1998."""
    days: dict[int, dict[dt.date, float]] = defaultdict(lambda: defaultdict(float))
    path = shared_data("cdnow", "KITH_CDNOW") / "CDNOW_sample.txt"
    for line in path.read_text().splitlines():
        _, customer, day, _, amount = line.split()
        days[int(customer)][dt.datetime.strptime(day, "%Y%m%d").date()] += float(amount)
    return days


def cdnow_histories(
    last: dt.date = CALIBRATED_TO,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x, t_x and T in weeks, and the mean of the repeats, by the customers' numbers."""
    rows = []
    for _, paid in sorted(cdnow().items()):
        seen = {day: amount for day, amount in paid.items() if day <= last}
        first = min(seen)
        repeats = [amount for day, amount in seen.items() if day > first]
        rows.append(
            (
                len(repeats),
                (max(seen) - first).days / 7,
                (last - first).days / 7,
                sum(repeats) / len(repeats) if repeats else np.nan,
            )
        )
    x, t_x, t, mean = np.array(rows, dtype=float).T
    return x, t_x, t, mean


def cdnow_summary() -> list[tuple[int, float, float]]:
    """Frequency, recency and T of each customer, as they were published."""
    path = shared_data("cdnow", "KITH_CDNOW") / "cdnow_customers_summary.csv"
    with path.open(newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: int(row["ID"]))
    return [
        (int(row["frequency"]), float(row["recency"]), float(row["T"])) for row in rows
    ]
