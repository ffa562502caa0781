"""How good a model is: the field's usual numbers, with their 95 % intervals.

`outcome` says of each customer whether it came, `score` orders them, the likeliest
last, and `probability` is what the model says.
"""

import math
from typing import NamedTuple

import numpy as np

from kith.models.lifetime_fits import NORMAL_95, Booleans, Floats

# Probabilities of 0 and 1 have no logit.
_LEAST = 1e-6


class Estimate(NamedTuple):
    """A number, its interval and over how many customers; NULL is None."""

    value: float | None
    n: int
    lower: float | None = None
    upper: float | None = None


class Confusion(NamedTuple):
    """Customers by what was foretold and what came."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @property
    def precision(self) -> Estimate:
        """Of those foretold, the share that came."""
        return share(self.true_positive, self.true_positive + self.false_positive)

    @property
    def recall(self) -> Estimate:
        """Of those that came, the share that was foretold."""
        return share(self.true_positive, self.true_positive + self.false_negative)

    @property
    def error_rate(self) -> Estimate:
        """Of those foretold, the share that did not come: 1 - precision."""
        return share(self.false_positive, self.true_positive + self.false_positive)

    @property
    def miss_rate(self) -> Estimate:
        """Of those that came, the share that was not foretold: 1 - recall."""
        return share(self.false_negative, self.true_positive + self.false_negative)


def confusion(outcome: Booleans, is_foretold: Booleans) -> Confusion:
    """Counts of the four combinations."""
    return Confusion(
        int((outcome & is_foretold).sum()),
        int((~outcome & is_foretold).sum()),
        int((outcome & ~is_foretold).sum()),
        int((~outcome & ~is_foretold).sum()),
    )


def share(part: int, whole: int) -> Estimate:
    """Part / whole with Wilson's interval; NULL of nothing."""
    if whole == 0:
        return Estimate(None, 0)
    z = NORMAL_95
    found = part / whole
    middle = (found + z * z / (2 * whole)) / (1 + z * z / whole)
    spread = z * math.sqrt(found * (1 - found) / whole + (z / (2 * whole)) ** 2)
    spread /= 1 + z * z / whole
    return Estimate(
        found,
        whole,
        min(max(middle - spread, 0.0), found),
        max(min(middle + spread, 1.0), found),
    )


def area_under_curve(outcome: Booleans, score: Floats) -> Estimate:
    """AUC: the chance that of two customers the one of whom it came scores higher.

    A tie counts half. The interval is DeLong's; NULL where all or none came.
    """
    if outcome.all() or not outcome.any():
        return Estimate(None, len(outcome))
    return _of_placements(*_placements(outcome, score))


def area_gained(outcome: Booleans, score: Floats, baseline: Floats) -> Estimate:
    """AUC of `score` less that of `baseline`, of the same customers (DeLong)."""
    if outcome.all() or not outcome.any():
        return Estimate(None, len(outcome))
    came, came_not = _placements(outcome, score)
    came_before, came_not_before = _placements(outcome, baseline)
    return _of_placements(came - came_before, came_not - came_not_before, least=-1.0)


def _placements(outcome: Booleans, score: Floats) -> tuple[Floats, Floats]:
    """Of each customer the share of the other kind whom they are rightly apart from."""
    from scipy.stats import rankdata  # slow to import

    came, came_not = score[outcome], score[~outcome]
    ranks = rankdata(score)
    return (
        (ranks[outcome] - rankdata(came)) / len(came_not),
        1 - (ranks[~outcome] - rankdata(came_not)) / len(came),
    )


def _of_placements(came: Floats, came_not: Floats, least: float = 0.0) -> Estimate:
    value = math.fsum(came) / len(came)
    variance = sum(
        float(np.var(each, ddof=1)) / len(each) if len(each) > 1 else 0.0
        for each in (came, came_not)
    )
    spread = NORMAL_95 * math.sqrt(variance)
    n = len(came) + len(came_not)
    return Estimate(value, n, max(value - spread, least), min(value + spread, 1.0))


def brier_score(outcome: Booleans, probability: Floats) -> Estimate:
    """Mean squared distance of probability and what came."""
    squares = (probability - outcome) ** 2
    n = len(squares)
    if n == 0:
        return Estimate(None, 0)
    value = math.fsum(squares) / n
    spread = NORMAL_95 * float(np.std(squares)) / math.sqrt(n)
    return Estimate(value, n, max(value - spread, 0.0), min(value + spread, 1.0))


def logit(probability: Floats) -> Floats:
    """Log odds, of probabilities kept from 0 and 1."""
    kept = np.clip(probability, _LEAST, 1 - _LEAST)
    return np.log(kept) - np.log1p(-kept)


def calibration_slope(outcome: Booleans, probability: Floats) -> Estimate:
    """Slope of what came on the log odds foretold: 1 where they are as far apart.

    Below 1 the model is too sure of itself. The interval is Wald's; NULL where the
    odds do not differ, or part those of whom it came from the others.
    """
    n = len(outcome)
    odds = logit(probability)
    if outcome.all() or not outcome.any() or np.ptp(odds) == 0:
        return Estimate(None, n)
    slope, error = sloped(outcome, odds)
    if not math.isfinite(slope) or not math.isfinite(error):
        return Estimate(None, n)
    return Estimate(slope, n, slope - NORMAL_95 * error, slope + NORMAL_95 * error)


def sloped(outcome: Booleans, odds: Floats) -> tuple[float, float]:
    """The slope of a logistic regression on one column, and its standard error."""
    _, slope, error = _regressed(outcome, odds)
    return slope, error


def recalibrated(outcome: Booleans, odds: Floats) -> tuple[float, float]:
    """Intercept and slope that make log odds those of what came (Platt)."""
    intercept, slope, _ = _regressed(outcome, odds)
    return intercept, slope


def _regressed(outcome: Booleans, odds: Floats) -> tuple[float, float, float]:
    """Newton's method; nan where it finds no end."""
    columns = np.stack([np.ones_like(odds), odds], axis=1)
    theta = np.array([0.0, 0.0])
    for _ in range(50):
        expected = 1 / (1 + np.exp(-np.clip(columns @ theta, -30, 30)))
        weight = expected * (1 - expected)
        curvature = columns.T @ (columns * weight[:, np.newaxis])
        gradient = columns.T @ (outcome - expected)
        try:
            step = np.linalg.solve(curvature, gradient)
        except np.linalg.LinAlgError:
            break
        theta = theta + np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-9:
            covariance = np.linalg.inv(curvature)
            return float(theta[0]), float(theta[1]), math.sqrt(covariance[1, 1])
    return math.nan, math.nan, math.nan
