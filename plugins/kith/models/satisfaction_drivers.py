"""What satisfaction hangs on: dimensions and factors of service with their share.

The outcome is an answer about the whole (CSAT, NPS or what was perceived), the drivers
are answers of the same occasion about parts of it. A share has no sign and says nothing
of causes; beside it stand the correlation, and how many points of the outcome go with a
point of the driver when the other drivers stay as they are.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from threadpoolctl import threadpool_limits

from kith.models.key_drivers import MOST_DRIVERS_OF_LMG, lmg, relative_weights
from kith.models.lifetime_fits import Booleans, Floats, Integers

OUTCOMES = ("csat", "nps", "perception")
KINDS = ("dimension", "factor")
# A driver that fewer answered is left out: with it, most occasions would be.
LEAST_ANSWERED = 0.8
MINIMUM_PERSONS = 50
PERSONS_PER_DRIVER = 10
DRAWS = 200
# Of more persons several are drawn together.
_MOST_DRAWN = 5_000
_SEED = 20_240_101
_NOTHING = 1e-10

_FOUND = pa.schema(
    {
        "period_grain": pa.string(),
        "period_start": pa.date32(),
        "source": pa.string(),
        "survey": pa.string(),
        "outcome": pa.string(),
        "outcome_scale_min": pa.float64(),
        "outcome_scale_max": pa.float64(),
        "segment": pa.string(),
        "driver_kind": pa.string(),
        "driver": pa.string(),
        "measure": pa.string(),
        "scale_min": pa.float64(),
        "scale_max": pa.float64(),
        "share": pa.float64(),
        "share_low": pa.float64(),
        "share_high": pa.float64(),
        "variance": pa.float64(),
        "effect": pa.float64(),
        "effect_low": pa.float64(),
        "effect_high": pa.float64(),
        "correlation": pa.float64(),
        "stability": pa.float64(),
        "score_mean": pa.float64(),
        "outcome_mean": pa.float64(),
        "answered": pa.float64(),
        "n": pa.int64(),
        "person_count": pa.int64(),
        "method": pa.string(),
        "reason": pa.string(),
    }
)
# The tier of who was in none yet.
_NOT_KNOWN = "not_known"
# What is not explained; never spread over the others.
UNLISTED = "unlisted"


class Driver(NamedTuple):
    """What was asked: a part of the service, how, and on which scale."""

    driver: str
    measure: str
    scale_min: float
    scale_max: float


class Occasions(NamedTuple):
    """Occasions on which the outcome was told; scores are nan where not answered.

    `scores` has a row per occasion and a column per driver.
    """

    persons: Integers
    days: Any
    tiers: Any
    outcome: Floats
    drivers: list[Driver]
    scores: Floats

    def of(self, chosen: Booleans) -> "Occasions":
        """Some of the occasions."""
        return self._replace(
            persons=self.persons[chosen],
            days=self.days[chosen],
            tiers=self.tiers[chosen],
            outcome=self.outcome[chosen],
            scores=self.scores[chosen],
        )


class _Told(NamedTuple):
    """Numbers of a set of drivers, one each; in a bootstrap with the draws in front."""

    share: Floats
    variance: Floats
    effect: Floats
    correlation: Floats


def find_satisfaction_drivers(answers: pa.Table) -> pa.Table:
    """One row per survey, outcome, period or segment, and driver, after `_FOUND`.

    `answers` are those of int_answers_placed. A row `unlisted` says what the drivers do
    not explain. Drivers that cannot be judged have a reason instead of a share.
    """
    order = [
        *("source", "survey", "occasion", "measure", "dimension", "factor"),
        *("scale_min", "scale_max"),
    ]
    answers = answers.filter(pc.field("measure") != "expectation")
    answers = answers.sort_by([(column, "ascending") for column in order])
    rows: list[dict[str, Any]] = []
    surveys = answers.group_by(["source", "survey"], use_threads=False).aggregate([])
    with threadpool_limits(1):
        for key in surveys.to_pylist():
            is_of_it = (pc.field("source") == key["source"]) & (
                pc.field("survey") == key["survey"]
            )
            rows += (key | row for row in _of_survey(answers.filter(is_of_it)))
    return pa.Table.from_pylist(rows, _FOUND)


def _of_survey(answers: pa.Table) -> Iterator[dict[str, Any]]:
    whole = answers.filter(
        pc.field("dimension").is_null() & pc.field("factor").is_null()
    )
    asked = ["measure", "scale_min", "scale_max"]
    outcomes = whole.group_by(asked, use_threads=False).aggregate([]).to_pylist()
    for outcome in outcomes:
        if outcome["measure"] not in OUTCOMES:
            continue
        is_asked = pc.scalar(True)
        for column in asked:
            is_asked &= pc.field(column) == outcome[column]
        for kind in KINDS:
            parts = answers.filter(pc.field(kind).is_valid())
            seen = _occasions(whole.filter(is_asked), parts, kind)
            for cut, some in _cuts(seen):
                for row in _of_cut(some):
                    yield {
                        "outcome": outcome["measure"],
                        "outcome_scale_min": outcome["scale_min"],
                        "outcome_scale_max": outcome["scale_max"],
                        "driver_kind": kind,
                        "outcome_mean": some.outcome.mean(),
                        **cut,
                        **row,
                    }


def _occasions(told: pa.Table, parts: pa.Table, kind: str) -> Occasions:
    """The occasions of the outcome with the answers to each part."""
    asked = [kind, "measure", "scale_min", "scale_max"]
    # Of several answers to one part, the mean of their items.
    weighed = parts.append_column(
        "sum", pc.multiply(parts["score"], parts["item_count"])
    )
    summed = weighed.group_by(["occasion", *asked], use_threads=False).aggregate(
        [("sum", "sum"), ("item_count", "sum")]
    )
    names = summed.group_by(asked, use_threads=False).aggregate([])
    names = names.sort_by([(column, "ascending") for column in asked])
    drivers = [Driver(*row.values()) for row in names.select(asked).to_pylist()]
    place_of = {driver: place for place, driver in enumerate(drivers)}
    columns = [
        place_of[Driver(*key)]
        for key in zip(*(summed[column].to_pylist() for column in asked), strict=True)
    ]
    row_of = pc.index_in(summed["occasion"], told["occasion"])
    is_known = np.asarray(pc.is_valid(row_of))
    scores = np.full((len(told), len(drivers)), np.nan)
    means = np.asarray(pc.divide(summed["sum_sum"], summed["item_count_sum"]))
    rows = np.asarray(pc.fill_null(row_of, 0))
    scores[rows[is_known], np.array(columns, int)[is_known]] = means[is_known]
    return Occasions(
        # By their first occasion: an order by hashes would draw others with every key.
        told["person"].combine_chunks().dictionary_encode().indices.to_numpy(),
        told["answered_date"].to_numpy().astype("datetime64[D]"),
        told["tier"].to_numpy(),
        told["score"].to_numpy(),
        drivers,
        scores,
    )


def _cuts(seen: Occasions) -> Iterator[tuple[dict[str, Any], Occasions]]:
    """All occasions, those of each year, and those of customers of each tier."""
    if not seen.drivers:
        return
    years = seen.days.astype("datetime64[Y]")
    first: date = seen.days.min().item()
    whole = {"period_grain": "all", "period_start": first, "segment": "all"}
    yield whole, seen
    for year in np.unique(years):
        start: date = year.astype("datetime64[D]").item()
        of_year = {"period_grain": "year", "period_start": start}
        yield whole | of_year, seen.of(years == year)
    for tier in np.unique(seen.tiers.astype(str)):
        if tier != _NOT_KNOWN:
            yield whole | {"segment": tier}, seen.of(seen.tiers == tier)


def _of_cut(seen: Occasions) -> Iterator[dict[str, Any]]:
    """A row per driver, and one of what they leave unexplained."""
    answered = (~np.isnan(seen.scores)).mean(axis=0)
    is_used = answered >= LEAST_ANSWERED
    is_whole = np.isnan(seen.scores[:, is_used]).sum(axis=1) == 0
    used = seen.of(is_whole)
    n = len(used.outcome)
    is_moving = is_used & (
        np.array([np.ptp(column) > _NOTHING for column in used.scores.T])
        if n
        else is_used
    )
    persons = len(np.unique(used.persons))
    count = int(is_moving.sum())
    wanted = max(MINIMUM_PERSONS, PERSONS_PER_DRIVER * count)
    told: _Told | None = None
    reason, method = "", "none"
    if persons < wanted:
        reason = f"{persons} persons, {wanted} are required"
    elif np.ptp(used.outcome) <= _NOTHING:
        reason = "the outcome is the same for all"
    elif not count:
        reason = "no driver to be judged"
    else:
        scores = used.scores[:, is_moving]
        told = _told(_moments(scores, used.outcome).sum(axis=0), count)
        # So much is explained by drivers that have nothing to do with the outcome.
        if told.variance.sum() <= count / (n - 1):
            told, reason = None, "together they explain nothing"
    if told is not None:
        method = (
            "LMG" if count <= MOST_DRIVERS_OF_LMG else "relative weights (Johnson 2000)"
        ) + f", {DRAWS} bootstrap draws of persons"
        drawn = _drawn(used.persons, scores, used.outcome)
        low, high = (
            _Told(*(np.quantile(values, end, axis=0) for values in drawn))
            for end in (0.025, 0.975)
        )
        stability = (np.sign(drawn.correlation) == np.sign(told.correlation)).mean(0)
    place = iter(range(count))
    for at, driver in enumerate(seen.drivers):
        if not answered[at]:  # Not asked here.
            continue
        row: dict[str, Any] = {
            **driver._asdict(),
            "answered": float(answered[at]),
            "n": n,
            "person_count": persons,
            "method": method,
            "reason": reason,
        }
        if not is_used[at]:
            row["reason"] = (
                f"skipped: {100 * answered[at]:.0f} % answered it, "
                f"{100 * LEAST_ANSWERED:.0f} % are required"
            )
        elif n and not is_moving[at]:
            row["reason"] = "skipped: all answers alike"
        if is_used[at] and n:
            row["score_mean"] = float(used.scores[:, at].mean())
        if told is not None and is_moving[at]:
            own = next(place)
            row |= {
                "share": float(told.share[own]),
                "share_low": float(min(low.share[own], told.share[own])),
                "share_high": float(max(high.share[own], told.share[own])),
                "variance": float(told.variance[own]),
                "effect": float(told.effect[own]),
                "effect_low": float(min(low.effect[own], told.effect[own])),
                "effect_high": float(max(high.effect[own], told.effect[own])),
                "correlation": float(told.correlation[own]),
                "stability": float(stability[own]),
                "reason": None,
            }
        yield row
    if told is not None:
        yield {
            "driver": UNLISTED,
            "variance": 1 - float(told.variance.sum()),
            "n": n,
            "person_count": persons,
            "method": method,
            "reason": "what the drivers do not explain",
        }


def _moments(scores: Floats, outcome: Floats) -> Floats:
    """Products of each occasion's 1, scores and outcome with one another, in a row."""
    columns = np.column_stack(
        [
            np.ones(len(outcome)),
            scores - scores.mean(axis=0),
            outcome - outcome.mean(),
        ]
    )
    above = np.triu_indices(columns.shape[1])
    return columns[:, above[0]] * columns[:, above[1]]


def _told(moments: Floats, count: int) -> _Told:
    """What the sums of such products tell; axes before the last one are kept."""
    above = np.triu_indices(count + 2)
    products = np.zeros((*moments.shape[:-1], count + 2, count + 2))
    products[..., above[0], above[1]] = moments
    products[..., above[1], above[0]] = moments
    n = products[..., :1, :1]
    means = products[..., :1, 1:] / n
    spread = products[..., 1:, 1:] / n - means.swapaxes(-1, -2) * means
    size = np.sqrt(np.diagonal(spread, axis1=-2, axis2=-1))
    is_moving = size > np.sqrt(_NOTHING)
    unit = np.where(is_moving, 1 / np.where(is_moving, size, 1), 0)
    related = spread * unit[..., :, np.newaxis] * unit[..., np.newaxis, :]
    r_xx, r_xy = related[..., :-1, :-1], related[..., :-1, -1]
    if count <= MOST_DRIVERS_OF_LMG:
        variance = lmg(r_xx, r_xy)
    else:
        flat = zip(r_xx.reshape(-1, count, count), r_xy.reshape(-1, count), strict=True)
        variance = np.array([relative_weights(*one) for one in flat])
        variance = variance.reshape(r_xy.shape)
    beta = np.linalg.pinv(r_xx, rcond=_NOTHING, hermitian=True) @ r_xy[..., np.newaxis]
    effect = beta[..., 0] * unit[..., :-1] * size[..., -1:]
    whole = variance.sum(axis=-1, keepdims=True)
    share = variance / np.where(whole > 0, whole, 1)
    return _Told(share, variance, effect, r_xy)


def _drawn(persons: Integers, scores: Floats, outcome: Floats) -> _Told:
    """The same of draws of as many persons, with all their occasions."""
    owner = np.unique(persons, return_inverse=True)[1] % _MOST_DRAWN
    order = np.argsort(owner, kind="stable")
    starts = np.flatnonzero(np.diff(owner[order], prepend=-1))
    by_person = np.add.reduceat(_moments(scores, outcome)[order], starts, axis=0)
    groups = len(by_person)
    random = np.random.default_rng(_SEED)
    times = random.multinomial(groups, np.full(groups, 1 / groups), DRAWS)
    return _told(times.astype(float) @ by_person, scores.shape[1])
