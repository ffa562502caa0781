"""Leads, ownerships and portraits in plain Python, written from the definitions.

What the tests of the demo compare its marts with. Money is in whole cents.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise, product
from math import sqrt
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from tests.companies.definitions import UNIDENTIFIED, Shop

HORIZON, WAITS = 90, (0, 8, 31, 91)


def wilson(part: int, whole: int) -> tuple[float, float]:
    """Ends of the interval of 95 % around a share."""
    z, share = 1.959963984540054, part / whole
    middle = share + z * z / (2 * whole)
    half = z * sqrt(share * (1 - share) / whole + (z / (2 * whole)) ** 2)
    return (middle - half) / (1 + z * z / whole), (middle + half) / (1 + z * z / whole)


# --- leads ----------------------------------------------------------------------------


def told_leads(
    leads: pd.DataFrame, stages: pd.DataFrame, as_of: pd.Timestamp
) -> pd.DataFrame:
    """What became of each lead of a source whose stages tell wins and losses.

    `leads` and `stages` as delivered, each with its instant `at` and its `day`.
    """
    ends = {"won": "won", "declined": "lost"}
    steps: dict[str, list[tuple[str, pd.Timestamp]]] = defaultdict(list)
    for step in stages.sort_values("at", kind="stable").itertuples():
        steps[step.lead].append((step.stage, step.day))
    found = []
    for lead in leads.itertuples():
        taken = steps[lead.lead]
        outcome, decided = "open", None
        for stage, day in taken:
            if stage in ends:
                outcome, decided = ends[stage], day
            elif outcome == "lost":
                outcome, decided = "open", None
        stage, since = taken[-1] if taken else ("created", lead.day)
        found.append(
            {
                "lead_id": lead.lead,
                "created_on": lead.day,
                "source_of_lead": lead.source_of_lead,
                "employee_id": lead.employee,
                "outcome": outcome,
                "decided_on": decided,
                "stage": stage,
                "stage_since": since,
                "stage_count": len(taken),
                "days_in_stage": (as_of - since).days,
                "path": [("created", lead.day), *taken],
            }
        )
    return pd.DataFrame(found).sort_values("lead_id", ignore_index=True)


def _waited(told: pd.DataFrame) -> Iterator[tuple[str, pd.Timestamp, Any, Any]]:
    """Stage, begin, end and lead of each time that a lead stood in an open stage."""
    for lead in told.itertuples():
        ends = [day for _, day in lead.path[1:]] + [None]
        for (stage, begin), end in zip(lead.path, ends, strict=True):
            if stage not in ("won", "declined"):
                yield stage, begin, end, lead


def chances(
    told: pd.DataFrame, as_of: pd.Timestamp
) -> dict[tuple[str, int], tuple[int, int]]:
    """Leads won within the horizon, and all, by stage and days that they had waited."""
    counted: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0])
    for stage, begin, end, lead in _waited(told):
        for days in WAITS:
            then = begin + dt.timedelta(days)
            if end is not None and end < then:
                continue
            if then + dt.timedelta(HORIZON) > as_of:
                continue
            won = lead.outcome == "won" and lead.decided_on
            if won and won < then:
                continue
            counted[stage, days][1] += 1
            counted[stage, days][0] += bool(won and won <= then + dt.timedelta(HORIZON))
    return {key: (won, n) for key, (won, n) in counted.items()}


def usual_days(told: pd.DataFrame) -> dict[str, list[int]]:
    """Days after which leads left each stage."""
    left = defaultdict(list)
    for stage, begin, end, _ in _waited(told):
        if end is not None:
            left[stage].append((end - begin).days)
    return left


def conversions(told: pd.DataFrame, minimum: int) -> pd.DataFrame:
    """The mart of conversions."""
    breakdowns: dict[str, Callable[[Any], str]] = {
        "total": lambda lead: "all",
        "source_of_lead": lambda lead: lead.source_of_lead,
        "employee": lambda lead: lead.employee_id,
    }
    grains = {"month": {"day": 1}, "year": {"month": 1, "day": 1}}
    cells: dict[tuple[Any, ...], dict[str, list[Any]]] = defaultdict(dict)
    for lead in told.itertuples():
        first: dict[str, int] = {}
        for stage, day in lead.path:
            first.setdefault(stage, (day - lead.created_on).days)
        for grain, (breakdown, part) in product(grains, breakdowns.items()):
            start = lead.created_on.replace(**grains[grain])
            cell = cells[grain, start, breakdown, part(lead)]
            for stage, days in first.items():
                cell.setdefault(stage, []).append((lead, days))
    rows = []
    for (grain, start, breakdown, part), cell in cells.items():
        for stage, those in cell.items():
            outcomes = [lead.outcome for lead, _ in those]
            won, lost = outcomes.count("won"), outcomes.count("lost")
            whole, decided = len(those), won + lost
            is_told = decided >= minimum
            low, high = wilson(won, decided) if is_told else (np.nan, np.nan)
            wins = [
                (lead.decided_on - lead.created_on).days
                for lead, _ in those
                if lead.outcome == "won"
            ]
            rows.append(
                {
                    "cohort_grain": grain,
                    "cohort_start": start,
                    "breakdown": breakdown,
                    "part": part,
                    "stage": stage,
                    "created_count": len(cell["created"]),
                    "lead_count": whole,
                    "won_count": won,
                    "lost_count": lost,
                    "open_count": whole - decided,
                    "reached_pct": 100 * whole / len(cell["created"]),
                    "won_pct": 100 * won / whole,
                    "won_or_open_pct": 100 * (whole - lost) / whole,
                    "win_rate_pct": 100 * won / decided if is_told else np.nan,
                    "win_rate_low_pct": 100 * low,
                    "win_rate_high_pct": 100 * high,
                    "n": decided,
                    "median_days_to_stage": median(days for _, days in those),
                    "backdated_count": 0,
                    "median_days_to_win": median(wins) if wins else np.nan,
                }
            )
    keys = ["cohort_grain", "cohort_start", "breakdown", "part", "stage"]
    return pd.DataFrame(rows).sort_values(keys, ignore_index=True)


# --- ownerships and portraits ---------------------------------------------------------

Owner = tuple[str, str]  # employee and department
NOBODY: Owner = ("unassigned", "unassigned")


def follows(end: pd.Timestamp | None, begin: pd.Timestamp) -> bool:
    """Whether what begins then comes after that end with no more than a day between."""
    return end is not None and begin - end <= pd.Timedelta(days=1)


class Care:
    """Who has whom when, by assignments as the feed has them, with customer_id."""

    def __init__(self, assignments: pd.DataFrame) -> None:
        self.of: dict[str, list[Any]] = defaultdict(list)
        for row in assignments.itertuples():
            self.of[row.customer_id].append(row)

    def owner(self, customer: str, at: pd.Timestamp) -> Owner:
        """Of those who have the customer at an instant the one assigned last."""
        there = [
            row
            for row in self.of.get(customer, [])
            if row.valid_from <= at and (pd.isna(row.valid_to) or row.valid_to > at)
        ]
        if not there:
            return NOBODY
        latest = max(row.valid_from for row in there)
        first = min(
            (row for row in there if row.valid_from == latest),
            key=lambda row: (row.source, row.assignment_id),
        )
        return first.employee_id, first.department

    def turns(self, customer: str, until: pd.Timestamp) -> list[pd.Timestamp]:
        """Instants at which something begins or ends, by a day."""
        rows = self.of[customer]
        times = {t for row in rows for t in (row.valid_from, row.valid_to)}
        return sorted(t for t in times if pd.notna(t) and t < until)

    def spells(
        self, customer: str, until: pd.Timestamp
    ) -> list[tuple[Owner, pd.Timestamp, pd.Timestamp | None]]:
        """Times in which one employee has the customer; the last may have no end.

        No more than a day between two times of one employee is no gap.
        """
        spells: list[tuple[Owner, pd.Timestamp, pd.Timestamp | None]] = []
        turns: list[pd.Timestamp | None] = [*self.turns(customer, until), None]
        for begin, end in pairwise(turns):
            owner = self.owner(customer, begin)
            if owner == NOBODY:
                continue
            if spells and spells[-1][0] == owner and follows(spells[-1][2], begin):
                spells[-1] = (owner, spells[-1][1], end)
            else:
                spells.append((owner, begin, end))
        return spells


def portraits(
    shop: Shop,
    instants: pd.Series,
    attributes: pd.DataFrame,
    first_months: pd.Series,
    care: Care,
    end_of: Callable[[pd.Timestamp], pd.Timestamp],
) -> pd.DataFrame:
    """The mart of portraits.

    `instants` are those of the shop's orders by order_id, `attributes` those of
    customers by customer_id, one column per dimension, `first_months` the months of
    their first traces; `end_of` gives the first instant after a business day.
    """
    dimensions = list(attributes)
    parts = {UNIDENTIFIED: [UNIDENTIFIED] * len(dimensions)}
    for customer, *told in attributes.drop(UNIDENTIFIED).itertuples():
        parts[customer] = ["unknown" if pd.isna(part) else part for part in told]
    columns = [
        *("customer_count", "buyer_count", "order_count", "return_count"),
        *("gross", "returned", "revenue"),
    ]
    sums: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0] * len(columns))

    def count(period: Any, customer: str, owner: Owner, **amounts: int) -> None:
        for dimension, part in zip(dimensions, parts[customer], strict=True):
            row = sums[*period, dimension, part, *owner]
            for column, amount in amounts.items():
                row[columns.index(column)] += amount

    grains = {"month": "M", "quarter": "Q", "year": "Y"}
    bought: dict[tuple[str, pd.Timestamp], set[str]] = defaultdict(set)
    starts = {
        grain: list(shop.orders.day.dt.to_period(letter).dt.start_time)
        for grain, letter in grains.items()
    }
    ordered_at = instants.to_dict()
    for place, order in enumerate(shop.orders.itertuples()):
        owner = care.owner(order.customer_id, ordered_at[order.order_id])
        for grain in grains:
            period = grain, starts[grain][place]
            if order.is_purchase:
                bought[period].add(order.customer_id)
            count(
                period,
                order.customer_id,
                owner,
                order_count=order.is_purchase,
                return_count=order.has_return,
                gross=order.gross,
                returned=order.returned,
                revenue=order.revenue,
            )
    first = first_months.drop(UNIDENTIFIED).to_dict()
    for grain, letter in grains.items():
        for whole in pd.period_range(min(first.values()), shop.as_of, freq=letter):
            last = min(whole.end_time.normalize(), shop.as_of)
            at = end_of(last) - pd.Timedelta(1, "s")
            period = grain, whole.start_time
            for customer, month in first.items():
                if month <= last:
                    count(
                        period,
                        customer,
                        care.owner(customer, at),
                        customer_count=1,
                        buyer_count=customer in bought[period],
                    )
    keys = [
        *("period_grain", "period_start", "dimension", "part"),
        *("employee_id", "department"),
    ]
    return pd.DataFrame(
        [[*key, *row] for key, row in sums.items()], columns=[*keys, *columns]
    )
