"""Regularised logistic regression on many indicators, calibrated, as one linear form.

Indicators are uneven and many say the same: each is brought to logarithms, kept within
the range of nearly all customers, and standardised; where it is missing, that is an
indicator of its own. Of those that say the same one counts. How strongly coefficients
are held back, what the odds are worth and where the threshold lies is found on
customers whom the fit did not see.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import expit
from threadpoolctl import threadpool_limits

from kith.models.judgements import recalibrated
from kith.models.lifetime_fits import Booleans, Floats, Integers, Refusal

# Inverse strengths of the penalty, the strictest first.
_PENALTIES = (0.001, 0.003, 0.01, 0.03)
_FOLDS = 5
# So many customers tell how strictly to fit.
_ENOUGH = 5_000
_COLUMNS = 150
_SAME = 0.95
# Beyond these quantiles a value counts as the quantile.
_TAILS = (0.005, 0.995)
# Of fewer customers it is not said that an indicator is missing, or is there.
_LEAST_SHARE = 0.02


class Preparation(NamedTuple):
    """How columns of indicators become columns of a regression.

    `column` is the indicator behind each prepared column, `is_gap` whether it tells
    that the indicator is missing.
    """

    column: Integers
    is_gap: Booleans
    lower: Floats
    upper: Floats
    filling: Floats
    mean: Floats
    deviation: Floats

    def of(self, indicators: Floats) -> Floats:
        """Prepared columns, of a row per customer and a column per indicator."""
        values = _logarithms(indicators[:, self.column])
        is_missing = np.isnan(values)
        kept = np.clip(
            np.where(is_missing, self.filling, values), self.lower, self.upper
        )
        return (np.where(self.is_gap, is_missing, kept) - self.mean) / self.deviation

    def only(self, chosen: Integers) -> "Preparation":
        """The same of some of its columns."""
        return Preparation(
            self.column[chosen],
            self.is_gap[chosen],
            self.lower[chosen],
            self.upper[chosen],
            self.filling[chosen],
            self.mean[chosen],
            self.deviation[chosen],
        )


class Classifier(NamedTuple):
    """Log odds as a linear form of prepared indicators, and from where it counts."""

    preparation: Preparation
    coefficients: Floats
    intercept: float
    threshold: float

    def probability(self, indicators: Floats) -> Floats:
        """That the outcome comes, of a row per customer, with twelve decimals.

        Those behind them depend on a row's place among the others.
        """
        prepared = self.preparation.of(indicators)
        odds = prepared @ self.coefficients + self.intercept
        return np.round(expit(odds), 12)


def fit(
    indicators: Floats,
    outcome: Booleans,
    max_error_rate: float = 1.0,
    max_miss_rate: float = 1.0,
) -> Classifier:
    """The classifier of `outcome`, of a row per customer and a column per indicator.

    Its threshold is the one with the best F1 among those whose error and miss rates
    are within the limits, or else of all. Folds are taken from rows in turn: hand them
    over in an order that says nothing. Raises Refusal where the indicators say nothing.
    """
    step = 1 + len(outcome) // _ENOUGH
    tried = _held_out(indicators[::step], outcome[::step], _PENALTIES)
    surprises = [_surprise(outcome[::step], odds) for odds in tried]
    penalty = _PENALTIES[int(np.argmin(surprises))]
    if step == 1:
        held_out = tried[int(np.argmin(surprises))]
    else:
        (held_out,) = _held_out(indicators, outcome, (penalty,))
    shift, slope = recalibrated(outcome, held_out)
    if not slope > 0:
        raise Refusal("the indicators say nothing of who will")
    preparation = _prepared(indicators, outcome)
    coefficients, intercept = _regression(preparation.of(indicators), outcome, penalty)
    return Classifier(
        preparation,
        slope * coefficients,
        shift + slope * intercept,
        best_threshold(
            outcome,
            expit(shift + slope * held_out),
            max_error_rate,
            max_miss_rate,
        ),
    )


def _held_out(
    indicators: Floats, outcome: Booleans, penalties: tuple[float, ...]
) -> Floats:
    """Log odds of each customer by fits that did not see them, a row per penalty."""
    fold = np.arange(len(outcome)) % _FOLDS
    odds = np.zeros((len(penalties), len(outcome)))
    for each in range(_FOLDS):
        is_seen = fold != each
        preparation = _prepared(indicators[is_seen], outcome[is_seen])
        seen = preparation.of(indicators[is_seen])
        unseen = preparation.of(indicators[~is_seen])
        for place, penalty in enumerate(penalties):
            coefficients, intercept = _regression(seen, outcome[is_seen], penalty)
            odds[place, ~is_seen] = unseen @ coefficients + intercept
    return odds


def best_threshold(
    outcome: Booleans,
    probability: Floats,
    max_error_rate: float = 1.0,
    max_miss_rate: float = 1.0,
) -> float:
    """From which probability on customers are foretold; one of them has it."""
    order = np.argsort(-probability, kind="stable")
    ordered = probability[order]
    found = np.cumsum(outcome[order])
    # Customers of one probability are foretold together.
    last = np.append(ordered[1:] != ordered[:-1], True)
    named = np.arange(1, len(order) + 1)[last]
    found = found[last]
    error_rate = 1 - found / named
    miss_rate = 1 - found / max(outcome.sum(), 1)
    f1 = 2 * found / (named + outcome.sum())
    is_allowed = (error_rate <= max_error_rate) & (miss_rate <= max_miss_rate)
    if is_allowed.any():
        f1 = np.where(is_allowed, f1, -1.0)
    return float(ordered[last][np.argmax(f1)])


def _logarithms(values: Floats) -> Floats:
    return np.sign(values) * np.log1p(np.abs(values))


def _prepared(indicators: Floats, outcome: Booleans) -> Preparation:
    """Of the columns that differ at all, those most related to the outcome.

    One of two that say the same is left out.
    """
    values = _logarithms(indicators)
    is_missing = np.isnan(values)
    share = is_missing.mean(axis=0)
    known = np.flatnonzero(share < 1 - _LEAST_SHARE)
    gaps = np.flatnonzero((share > _LEAST_SHARE) & (share < 1 - _LEAST_SHARE))
    lower, filling, upper = _quantiles(values[:, known])
    kept = np.where(is_missing[:, known], filling, values[:, known])
    columns = np.hstack([np.clip(kept, lower, upper), is_missing[:, gaps]])
    mean, deviation = columns.mean(axis=0), columns.std(axis=0)
    nothing = np.zeros(len(gaps))
    every = Preparation(
        np.concatenate([known, gaps]),
        np.arange(len(mean)) >= len(known),
        np.concatenate([lower, nothing]),
        np.concatenate([upper, nothing]),
        np.concatenate([filling, nothing]),
        mean,
        np.where(deviation > 0, deviation, 1.0),
    )
    differs = deviation > 1e-9
    standard = (columns - mean) / every.deviation
    relation = np.abs(standard.T @ (outcome - outcome.mean())) / len(outcome)
    first = np.argsort(-np.where(differs, relation, -1.0), kind="stable")
    first = first[differs[first]][: 3 * _COLUMNS]
    if not len(first):
        raise Refusal("no indicator differs between customers")
    alike = np.abs(standard[:, first].T @ standard[:, first]) / len(outcome)
    chosen: list[int] = []
    for place in range(len(first)):
        if not chosen or alike[place, chosen].max() < _SAME:
            chosen.append(place)
        if len(chosen) == _COLUMNS:
            break
    return every.only(first[chosen])


def _quantiles(values: Floats) -> list[Floats]:
    """Of each column, where it is known: the tails, and the median between them."""
    ordered = np.sort(values, axis=0)  # what is missing comes last
    last = (~np.isnan(values)).sum(axis=0) - 1
    column = np.arange(values.shape[1])
    return [
        ordered[np.rint(share * last).astype(np.int64), column]
        for share in (_TAILS[0], 0.5, _TAILS[1])
    ]


def _regression(
    prepared: Floats, outcome: Booleans, penalty: float
) -> tuple[Floats, float]:
    """Coefficients and intercept."""
    # It takes a second to import, and few small companies have enough customers.
    from sklearn.linear_model import LogisticRegression

    with threadpool_limits(1):  # of what was loaded just now as well
        found = LogisticRegression(C=penalty, solver="newton-cholesky").fit(
            prepared, outcome
        )
    return found.coef_[0], float(found.intercept_[0])


def _surprise(outcome: Booleans, odds: Floats) -> float:
    """Mean log loss."""
    return float(np.logaddexp(0, np.where(outcome, -odds, odds)).mean())
