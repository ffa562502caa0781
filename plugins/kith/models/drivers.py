"""Behaviours with their share of the effect on staying.

Asked of those who bought lately on the day of training: who still buys in the horizon
after the next one, when whoever left in between is gone? What their own purchases tell
(how often, how long, how lately) is taken out of the outcome and of each behaviour, so
that it is compared between customers who buy alike; scores of surveys are no behaviour.
A behaviour is one indicator, or several that tell the same. How they are put together
and what all behaviours foretell is found on one half of the customers. On the other
half the covariance of that forecast with the outcome is shared out: each behaviour's
part of the forecast brings its own covariance, which is its Shapley value, since the
parts add up. What only goes along with a driver, or is chance, brings nothing there; by
weights that are never negative (LMG, relative weights) it would get a share. Both ways
round, and for several divisions: what is found must not hang on one of them.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from kith.models.lifetime_fits import Floats, Integers
from kith.models.observations import Asked, asked

QUESTION = "stays"
# In words, and the indicators by which it is told: a share or an amount as it is, with
# `any_` whether there is any of what is counted.
Told = dict[str, tuple[str, tuple[str, ...]]]
BEHAVIOURS: Told = {
    "late_deliveries": (
        "deliveries that came later than promised",
        ("late_delivery_share_ever", "any_late_delivery_count_ever"),
    ),
    "unanswered_complaints": (
        "complaints and other cases that were answered late or not at all",
        (
            "any_late_ticket_count_ever",
            "late_ticket_count_ever",
            "any_complaint_count_ever",
            "complaint_count_ever",
        ),
    ),
    "service_cases": ("questions and repairs", ("any_ticket_count_ever",)),
    "discounts": ("discounts on what they buy", ("discount_share_ever",)),
    "app": (
        "use of the app",
        (
            "any_event_count_app_ever",
            "any_order_count_app_ever",
            "event_count_share_app_ever",
            "order_amount_share_app_ever",
        ),
    ),
    "web": ("visits to the website", ("any_event_count_web_ever",)),
    "searches": ("searches", ("any_event_count_search_ever", "searches_per_view_ever")),
    "wishes": ("wish lists", ("any_event_count_wishlist_ever", "wishes_per_view_ever")),
    "carts": ("carts that are filled", ("carts_per_view_ever",)),
    "community": ("posts in communities", ("any_post_count_ever", "post_count_ever")),
    "referrals": ("recommending us to others", ("any_referral_count_ever",)),
    "store_visits": (
        "visits to places",
        ("any_stay_count_ever", "minutes_per_stay_ever"),
    ),
    "surveys": ("answers to surveys", ("any_answer_count_ever",)),
    "returns": ("returns", ("returns_per_order_ever", "returned_share_ever")),
    "cancellations": ("cancelled orders", ("cancelled_per_order_ever",)),
    "offers_opened": ("messages that they open", ("opened_contact_share_ever",)),
    "offers_answered": ("messages that they answer", ("answered_contact_share_ever",)),
    "broken_promises": ("promises that were not kept", ("broken_promise_share_ever",)),
    "quotes": ("quotations asked for", ("any_quote_count_ever",)),
    "orders_in_stores": ("buying in stores", ("order_amount_share_store_ever",)),
    "orders_on_the_web": ("buying on the web", ("order_amount_share_web_ever",)),
    "orders_by_telephone": ("buying by telephone", ("order_amount_share_call_ever",)),
    "orders_face_to_face": ("buying face to face", ("order_amount_share_person_ever",)),
    "orders_in_communities": (
        "buying in communities",
        ("order_amount_share_forum_ever",),
    ),
    "orders_on_social_media": (
        "buying on social media",
        ("order_amount_share_social_ever",),
    ),
    "orders_on_marketplaces": (
        "buying on marketplaces",
        ("order_amount_share_marketplace_ever",),
    ),
    "basket_size": ("units in an order", ("average_order_units_ever",)),
}
ANY = "any_"
# What another behaviour tells is not counted twice.
WITHOUT = {"ticket_count_ever": "complaint_count_ever"}
OWN = "an indicator of the company's own"
# Behaviours whose lead indicators are related as closely as that are one.
ONE_BEHAVIOUR = 0.7
MINIMUM_CUSTOMERS = 50
CUSTOMERS_PER_BEHAVIOUR = 10
REFITS = 100
# Parts of the customers, and divisions of these into halves.
PARTS = 16
HALVES = tuple(
    itertools.islice(itertools.combinations(range(PARTS), PARTS // 2), 0, None, 1700)
)
_SEED = 20_240_101
_RIDGE = 0.02
_NOTHING = 1e-9
# Of a ratio that fewer can have nothing is said.
_LEAST_SHARE = 0.02


_DRIVERS = pa.schema(
    {
        "segment": pa.string(),
        "behaviour": pa.string(),
        "words": pa.string(),
        "indicators": pa.string(),
        "share": pa.float64(),
        "lower_bound": pa.float64(),
        "upper_bound": pa.float64(),
        "correlation": pa.float64(),
        "stability": pa.float64(),
        "is_leak": pa.bool_(),
        "explained": pa.float64(),
        "n": pa.int64(),
        "method": pa.string(),
        "reason": pa.string(),
    }
)


class Behaviours(NamedTuple):
    """Customers with their behaviours, what their own purchases tell taken out.

    `columns` has a row per customer and the columns of all behaviours, in units of
    their deviations; `owner` says of each to which of `names` it belongs. The first one
    of a behaviour leads it. In those `skipped` nearly all customers are alike.
    """

    names: list[str]
    words: list[str]
    indicators: list[str]
    columns: Floats
    owner: Integers
    outcome: Floats
    skipped: Told

    @property
    def leads(self) -> Integers:
        """The column that leads each behaviour."""
        return np.unique(self.owner, return_index=True)[1]


def find_drivers(
    indicators: pa.Table,
    outcomes: pa.Table,
    findings: pa.Table,
    own_indicators: str | None = None,
) -> pa.Table:
    """One row per segment and behaviour, and one per trait that leaks.

    Each of the company's `own_indicators`, with blanks between them, is a behaviour.

    Segments are `all` and the tiers of the day of training. Shares sum to 1; they are
    NULL with a reason where customers are too few, nearly all of them are alike in a
    behaviour, or nothing is explained.
    """
    rows: list[dict[str, Any]] = []
    seen = asked(indicators, outcomes, QUESTION, "train")
    own = {name: (OWN, (name,)) for name in (own_indicators or "").split()}
    if seen is not None:
        tiers = np.asarray(seen.tiers)
        with threadpool_limits(1):
            for segment in ["all", *np.unique(tiers)]:
                chosen = (tiers == segment) | (segment == "all")
                rows += [
                    {"segment": segment, "is_leak": False, **row}
                    for row in _of_segment(seen.of(chosen), BEHAVIOURS | own)
                ]
        rows += [
            {
                "segment": "all",
                "behaviour": row["indicator"],
                "words": "a trait that gives the outcome away",
                "indicators": row["indicator"],
                "is_leak": True,
                "n": row["n"],
                "method": "leak",
                "reason": row["reason"],
            }
            for row in findings.to_pylist()
            if row["question"] == QUESTION
        ]
    return pa.Table.from_pylist(rows, _DRIVERS)


def _of_segment(seen: Asked, behaviours: Told) -> Iterator[dict[str, Any]]:
    found = _behaviours(seen, behaviours)
    n, count = len(seen.outcome), len(found.names)
    wanted = max(MINIMUM_CUSTOMERS, CUSTOMERS_PER_BEHAVIOUR * count)
    share = lower = upper = stability = np.full(count, np.nan)
    explained, reason, method = np.nan, None, "none"
    correlation = np.full(count, np.nan)
    if n < wanted:
        reason = f"{n} customers, {wanted} are required"
    elif np.ptp(found.outcome) == 0:
        reason = "all of them stayed, or none"
    elif (
        not count
        or (explained := _explained(found)) <= 0
        or not np.any((told := _shares(found, np.ones(n), HALVES))[0])
    ):
        reason = "on customers not fitted they explain nothing"
    else:
        method = (
            "Shapley values of the covariance of forecast and outcome, on the half not "
            f"fitted, mean of {len(HALVES)} divisions, {REFITS} bootstrap refits of "
            "one each"
        )
        share, correlation = told
        drawn = np.random.default_rng(_SEED)
        refits = [
            _shares(
                found,
                drawn.multinomial(n, np.full(n, 1 / n)).astype(float),
                [HALVES[refit % len(HALVES)]],
            )
            for refit in range(REFITS)
        ]
        shares = np.array([refit[0] for refit in refits])
        lower, upper = np.quantile(shares, (0.025, 0.975), axis=0)
        lower, upper = np.minimum(lower, share), np.maximum(upper, share)
        signs = np.sign([refit[1] for refit in refits])
        stability = (signs == np.sign(correlation)).mean(axis=0)
    numbers = (share, lower, upper, correlation, stability)
    for place in range(count):
        values = (float(column[place]) for column in numbers)
        names = ("share", "lower_bound", "upper_bound", "correlation", "stability")
        yield {
            "behaviour": found.names[place],
            "words": found.words[place],
            "indicators": found.indicators[place],
            **{
                name: value if math.isfinite(value) else None
                for name, value in zip(names, values, strict=True)
            },
            "explained": max(float(explained), 0.0)
            if math.isfinite(explained)
            else None,
            "n": n,
            "method": method,
            "reason": reason,
        }
    for name, (words, indicators) in found.skipped.items():
        yield {
            "behaviour": name,
            "words": words,
            "indicators": ", ".join(
                dict.fromkeys(each.removeprefix(ANY) for each in indicators)
            ),
            "n": n,
            "method": "none",
            "reason": reason if n < wanted else "nearly all of them are alike in it",
        }


def _behaviours(seen: Asked, behaviours: Told) -> Behaviours:
    """Behaviours that differ between customers; of one told by another it is a part."""
    places = {name: place for place, name in enumerate(seen.names)}
    habits = _habits(seen, places)

    def beside_habits(values: Floats) -> Floats:
        return values - habits @ np.linalg.lstsq(habits, values, rcond=None)[0]

    def told(base: str) -> Floats:
        values, without = seen.indicators[:, places[base]], WITHOUT.get(base)
        if without in places:
            values = values - np.nan_to_num(seen.indicators[:, places[without]])
        return values

    groups: list[tuple[str, list[str], list[str], list[Floats]]] = []
    skipped: Told = {}
    for name, (words, told_by) in behaviours.items():
        columns, used = [], []
        for indicator in told_by:
            base = indicator.removeprefix(ANY)
            if base not in places:
                continue
            values = _values(told(base), base != indicator)
            if values is not None:
                kept = beside_habits(values)
                columns.append(kept / kept.std())
                used.append(base)
        if not columns:
            if any(each.removeprefix(ANY) in places for each in told_by):
                skipped[name] = (words, told_by)
            continue
        for other in groups:
            if abs(other[3][0] @ columns[0]) / len(columns[0]) >= ONE_BEHAVIOUR:
                other[1].append(words)
                other[2].extend(used)
                other[3].extend(columns)
                break
        else:
            groups.append((name, [words], used, columns))
    outcome = beside_habits(seen.outcome.astype(float))
    return Behaviours(
        [name for name, *_ in groups],
        ["; with it goes ".join(words) for _, words, *_ in groups],
        [", ".join(dict.fromkeys(used)) for _, _, used, _ in groups],
        np.stack([each for *_, columns in groups for each in columns], axis=1)
        if groups
        else np.empty((len(outcome), 0)),
        np.repeat(np.arange(len(groups)), [len(group[3]) for group in groups]),
        outcome if seen.outcome.any() and not seen.outcome.all() else 0 * outcome,
        skipped,
    )


def _habits(seen: Asked, places: dict[str, int]) -> Floats:
    """What customers' own purchases tell: how often they buy, how long, how lately."""
    days, since_first, since_last, tenure = (
        np.nan_to_num(seen.indicators[:, places[name]])
        for name in (
            *("order_days_ever", "days_since_first_order"),
            *("days_since_order", "tenure_days"),
        )
    )
    rate = days / (since_first + 30)
    return np.stack(
        [
            np.ones_like(rate),
            np.log1p(days),
            np.log1p(since_first),
            np.log1p(since_last),
            np.log1p(tenure),
            np.log(np.maximum(rate, 1e-9)),
            np.sqrt(rate),
            since_last * rate,
            np.log1p(days) * np.log1p(since_first),
        ],
        axis=1,
    )


def _values(values: Floats, is_any: bool) -> Floats | None:
    """A column without gaps; None where nearly all are alike."""
    is_known = ~np.isnan(values)
    if is_any:
        found = (is_known & (values > 0)).astype(float)
        share = found.mean()
        return found if _LEAST_SHARE <= share <= 1 - _LEAST_SHARE else None
    if is_known.mean() < _LEAST_SHARE:
        return None
    found = np.sign(values) * np.log1p(np.abs(values))
    found = np.where(is_known, found, found[is_known].mean())
    return found if found.std() > _NOTHING else None


def _shares(
    found: Behaviours, weight: Floats, halves: Sequence[tuple[int, ...]]
) -> tuple[Floats, Floats]:
    """Share of each behaviour, and the correlation of its leading column."""
    columns, outcome, count = found.columns, found.outcome, len(found.names)
    parts = []
    for part in range(PARTS):
        of_it = slice(part, None, PARTS)
        weighed = columns[of_it] * weight[of_it, np.newaxis]
        parts.append(
            (
                weighed.T @ columns[of_it],
                weighed.T @ outcome[of_it],
                float((weight[of_it] * outcome[of_it] ** 2).sum()),
                float(weight[of_it].sum()),
            )
        )

    def moments(chosen: Iterable[int]) -> list[Any]:
        return [sum(each) for each in zip(*(parts[p] for p in chosen), strict=True)]

    def fitted(products: Floats, with_outcome: Floats, n: float) -> Floats:
        penalty = _RIDGE * n * np.eye(len(products))
        return np.linalg.solve(products + penalty, with_outcome)

    raw = np.zeros(count)
    for half in halves:
        one, other = moments(half), moments(set(range(PARTS)) - set(half))
        for seen, judged in ((one, other), (other, one)):
            together = np.zeros((columns.shape[1], count))
            for place in range(count):
                own = np.flatnonzero(found.owner == place)
                together[own, place] = fitted(
                    seen[0][np.ix_(own, own)], seen[1][own], seen[3]
                )
            products = together.T @ seen[0] @ together
            size = np.sqrt(np.maximum(np.diag(products) / seen[3], _NOTHING))
            together /= size
            weights = fitted(
                products / np.outer(size, size), together.T @ seen[1], seen[3]
            )
            raw += weights * (together.T @ judged[1]) / judged[3]
    raw = np.maximum(raw, 0.0)
    both = moments(range(PARTS))
    leads = found.leads
    correlation = both[1][leads] / np.sqrt(np.diag(both[0])[leads] * both[2])
    return raw / max(raw.sum(), _NOTHING), correlation


def _explained(found: Behaviours) -> float:
    """R² of all together on customers who were not fitted; below 0 it is nothing."""
    columns, outcome = found.columns, found.outcome
    is_even = np.arange(len(outcome)) % 2 == 0
    foretold = np.empty_like(outcome)
    for half in (is_even, ~is_even):
        seen = columns[half]
        penalty = half.sum() * np.eye(columns.shape[1])
        weights = np.linalg.solve(seen.T @ seen + penalty, seen.T @ outcome[half])
        foretold[~half] = columns[~half] @ weights
    related = float(np.corrcoef(foretold, outcome)[0, 1])
    return math.copysign(related**2, related)
