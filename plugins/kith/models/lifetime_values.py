"""Lifetime values: BG/NBD and Gamma-Gamma fitted, judged and applied, table to table.

A model is judged on days that it did not see: fitted to what was known before them, it
says what will be bought on them, and that is compared with what was. It may be used
where it is off by ERROR_LIMIT_PCT at most.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kith.models import lifetime_amounts as amounts
from kith.models import lifetime_purchases as purchases
from kith.models.lifetime_fits import NORMAL_95, Booleans, Fit, Floats, Refusal

PURCHASES, AMOUNTS = "bg_nbd", "gamma_gamma"
MINIMUM_REPEAT_BUYERS = 100
ERROR_LIMIT_PCT = 20.0
# Above it, what somebody pays is taken to hang on how often they buy.
CORRELATION_LIMIT = 0.3
HORIZONS = (3, 6, 12)

_WEEK = 7.0
_MONTH = 365.25 / 12 / _WEEK
# What is known of customers today, what was known before the held-out days, and these.
_NOW = (
    "repeat_count",
    "first_to_last_days",
    "days_since_first_order",
    "repeat_amount",
)
_THEN = (
    "trained_repeat_count",
    "trained_first_to_last_days",
    "trained_days",
    "trained_repeat_amount",
)
_WINDOW = ("window_start", "held_out_start", "window_end")
# What predict and evaluate read.
PREDICTED_FROM = ("customer_id", "population", *_NOW)
_HELD_OUT = ("held_out_count", "held_out_amount")
EVALUATED_FROM = ("population", *_NOW, *_THEN, *_HELD_OUT, *_WINDOW)


class Seen(NamedTuple):
    """Of each customer x, t_x and T, in weeks, and the mean amount of the repeats."""

    x: Floats
    t_x: Floats
    t: Floats
    mean: Floats


class HeldOut(NamedTuple):
    """Days that a model must foretell: what was known before, and what came."""

    before: Seen
    weeks: float
    purchase_days: Floats
    revenue: Floats


class Metric(NamedTuple):
    """A number about a model, and over how many customers; the interval is of 95 %."""

    metric: str
    value: float
    n: int
    lower_bound: float | None = None
    upper_bound: float | None = None
    limit_value: float | None = None
    is_held_out: bool = False


_EVALUATION = pa.schema(
    {
        "model": pa.string(),
        "population": pa.string(),
        "metric": pa.string(),
        "value": pa.float64(),
        "lower_bound": pa.float64(),
        "upper_bound": pa.float64(),
        "limit_value": pa.float64(),
        "n": pa.int64(),
        "window_start": pa.date32(),
        "window_end": pa.date32(),
        "status": pa.string(),
        "reason": pa.string(),
    }
)


def evaluate(histories: pa.Table) -> pa.Table:
    """Fit and judge both models; one row per model, population and metric.

    `histories` has a row per customer who has bought: of which `population` they are,
    each of which is fitted for itself; x, t_x and T in days (`repeat_count`,
    `first_to_last_days`, `days_since_first_order`) and what the days after the first
    one brought (`repeat_amount`); the same as of the day before `held_out_start`
    (`trained_…`, NULL for who first bought later); and the days with a purchase and
    the revenue since (`held_out_count`, `held_out_amount`).

    `status` is published or refused, and `reason` says why it is refused. Parameters
    are those of weeks. The answer does not depend on the order of the rows.
    """
    rows: list[dict[str, Any]] = []
    for population, members in _by_population(histories):
        first, start, last = (members.column(name)[0].as_py() for name in _WINDOW)
        now = _seen(members, _NOW)
        is_known = ~np.isnan(_floats(members, "trained_days"))
        known = members.select([*_THEN, *_HELD_OUT]).filter(pa.array(is_known))
        held_out = HeldOut(
            _seen(known, _THEN),
            ((last - start).days + 1) / _WEEK,
            *(_floats(known, name) for name in _HELD_OUT),
        )
        for model, judge in ((PURCHASES, _judge_purchases), (AMOUNTS, _judge_amounts)):
            found, reason = [], None
            try:
                for metric in judge(now, held_out):
                    found.append(metric)
            except Refusal as refusal:
                reason = str(refusal)
            rows += [
                {
                    **metric._asdict(),
                    "model": model,
                    "population": population,
                    "window_start": start if metric.is_held_out else first,
                    "window_end": last,
                    "status": "refused" if reason else "published",
                    "reason": reason,
                }
                for metric in found
            ]
    return pa.Table.from_pylist(rows, _EVALUATION)


def predict(
    histories: pa.Table, evaluations: pa.Table, monthly_discount_pct: float
) -> pa.Table:
    """Apply what `evaluate` has published; one row per customer.

    Returned are `customer_id`; `alive_probability`; the days with a purchase expected
    in the next 3, 6 and 12 months; the same, each month's discounted
    (`discounted_purchases_…`); and `expected_amount`, what such a day will bring. They
    are NULL where a model is refused, and the last where the repeats of a customer
    brought nothing.
    """
    number = np.arange(1, max(HORIZONS) + 1)
    is_within = number[:, np.newaxis] <= np.array(HORIZONS)
    worth = (1 + monthly_discount_pct / 100) ** -number[:, np.newaxis].astype(float)
    weights = np.hstack([is_within, is_within * worth])
    parts = [_no_predictions()]
    for population, members in _by_population(histories):
        seen = _seen(members, _NOW)
        alive = amount = np.full(len(members), math.nan)
        expected = np.full((len(members), weights.shape[1]), math.nan)
        if found := _published(evaluations, PURCHASES, population):
            lives = purchases.Parameters(*(found[name] for name in purchases.NAMES))
            alive = purchases.alive_probability(lives, seen.x, seen.t_x, seen.t)
            months = (number * _MONTH).tolist()
            expected = purchases.expected_purchases(
                lives, seen.x, seen.t_x, seen.t, months, weights
            )
        if found := _published(evaluations, AMOUNTS, population):
            paid = amounts.Parameters(*(found[name] for name in amounts.NAMES))
            can_tell = (seen.x == 0) | (seen.mean > 0)
            amount = np.where(
                can_tell, amounts.expected_amount(paid, seen.x, seen.mean), math.nan
            )
        columns = [alive, *expected.T, amount]
        parts.append(
            pa.table(
                [
                    members.column("customer_id").cast(pa.string()),
                    *(pa.array(each, mask=np.isnan(each)) for each in columns),
                ],
                parts[0].schema,
            )
        )
    return pa.concat_tables(parts)


def _no_predictions() -> pa.Table:
    names = [
        "alive_probability",
        *(f"expected_purchases_{horizon}_months" for horizon in HORIZONS),
        *(f"discounted_purchases_{horizon}_months" for horizon in HORIZONS),
        "expected_amount",
    ]
    numbers = [(name, pa.float64()) for name in names]
    return pa.schema([("customer_id", pa.string()), *numbers]).empty_table()


def _judge_purchases(now: Seen, held_out: HeldOut) -> Iterator[Metric]:
    """What is found of BG/NBD; raises Refusal when something speaks against it."""
    yield Metric("repeat_buyers", float((now.x > 0).sum()), len(now.x))
    _require_repeat_buyers(now.x > 0)
    fit = purchases.fit_purchases(now.x, now.t_x, now.t)
    yield from _fitted(fit, purchases.NAMES, len(now.x))
    yield Metric(
        "expected_purchases_12_months",
        _total(
            purchases.expected_purchases(
                purchases.Parameters(*fit.parameters),
                *(now.x, now.t_x, now.t),
                [12 * _MONTH],
            )[:, 0]
        ),
        len(now.x),
    )
    x, t_x, t, _ = held_out.before
    _require_repeat_buyers(x > 0, "before the days held out, ")
    before = purchases.Parameters(*purchases.fit_purchases(x, t_x, t).parameters)
    foretold = purchases.expected_purchases(before, x, t_x, t, [held_out.weeks])
    yield from _compared("purchases", foretold[:, 0], held_out.purchase_days)


def _judge_amounts(now: Seen, held_out: HeldOut) -> Iterator[Metric]:
    """What is found of Gamma-Gamma; raises Refusal when something speaks against it."""
    paid = now.mean > 0
    yield Metric("repeat_buyers", float(paid.sum()), len(paid))
    _require_repeat_buyers(paid)
    x, mean = now.x[paid], now.mean[paid]
    if np.ptp(x) and np.ptp(mean):
        order = np.lexsort((mean, x))
        correlation = np.corrcoef(x[order], mean[order])[0, 1]
        limit = CORRELATION_LIMIT
        yield Metric("correlation", float(correlation), len(x), limit_value=limit)
    yield from _fitted(amounts.fit_amounts(x, mean), amounts.NAMES, len(x))
    x, _, _, mean = held_out.before
    paid = mean > 0
    _require_repeat_buyers(paid, "before the days held out, ")
    before = amounts.Parameters(*amounts.fit_amounts(x[paid], mean[paid]).parameters)
    # Of the purchases that were made: how many there are the other model says.
    can_tell = paid | (x == 0)
    foretold = held_out.purchase_days * amounts.expected_amount(before, x, mean)
    yield from _compared("revenue", foretold[can_tell], held_out.revenue[can_tell])


def _require_repeat_buyers(again: Booleans, when: str = "") -> None:
    if again.sum() < MINIMUM_REPEAT_BUYERS:
        raise Refusal(
            f"{when}{again.sum()} customers had bought again, "
            f"{MINIMUM_REPEAT_BUYERS} are required"
        )


def _fitted(fit: Fit, names: tuple[str, ...], n: int) -> Iterator[Metric]:
    for found in zip(names, fit.parameters, fit.lower, fit.upper, strict=True):
        name, value, lower, upper = found
        yield Metric(name, float(value), n, float(lower), float(upper))
    yield Metric("log_likelihood", fit.log_likelihood, n)


def _compared(what: str, foretold: Floats, actual: Floats) -> Iterator[Metric]:
    """The held-out days; raises Refusal where a model is off by more than the limit."""
    expected, came = _total(foretold), _total(actual)
    n = len(actual)
    yield Metric(f"held_out_{what}_expected", expected, n, is_held_out=True)
    yield Metric(f"held_out_{what}_actual", came, n, is_held_out=True)
    if came <= 0:
        raise Refusal(f"{what} on the days held out: none to compare with")
    error = 100 * (expected - came) / came
    # Customers are independent of each other, whatever the distribution of each.
    spread = NORMAL_95 * 100 * math.sqrt(math.fsum((actual - foretold) ** 2)) / came
    yield Metric(
        f"held_out_{what}_error_pct",
        error,
        n,
        error - spread,
        error + spread,
        ERROR_LIMIT_PCT,
        is_held_out=True,
    )
    if abs(error) > ERROR_LIMIT_PCT:
        raise Refusal(
            f"{what} on the days held out: {expected:,.0f} expected, {came:,.0f} "
            f"actual, off by {error:+.0f} %; allowed are {ERROR_LIMIT_PCT:.0f} %"
        )


def _total(numbers: Floats) -> float:
    """A sum that does not depend on the order of the customers."""
    total = math.fsum(numbers)
    if not math.isfinite(total):
        raise Refusal("the formula gives no number for these parameters")
    return total


def _by_population(histories: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    column = histories.column("population")
    names = sorted(pc.unique(column).to_pylist())
    for name in names:
        is_of_it = pc.equal(column, name)
        yield name, histories.filter(is_of_it) if len(names) > 1 else histories


def _seen(histories: pa.Table, names: tuple[str, str, str, str]) -> Seen:
    x, t_x, t, amount = (_floats(histories, name) for name in names)
    mean = np.divide(amount, x, out=np.full(len(x), math.nan), where=x > 0)
    return Seen(x, t_x / _WEEK, t / _WEEK, mean)


def _floats(table: pa.Table, name: str) -> Floats:
    column = table.column(name).cast(pa.float64()).combine_chunks()
    return np.asarray(column.fill_null(math.nan))


def _published(evaluations: pa.Table, model: str, population: str) -> dict[str, float]:
    """The metrics of a model, by their names; empty where it is not published."""
    return {
        row["metric"]: row["value"]
        for row in evaluations.to_pylist()
        if (row["model"], row["population"], row["status"])
        == (model, population, "published")
    }
