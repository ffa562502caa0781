"""BG/NBD: how often customers will buy again, and whether they are still there.

After Fader, Hardie and Lee 2005, Marketing Science 24(2):275-284. A customer buys at a
rate of their own (gamma, r and alpha over customers) until, after some purchase, they
are gone (with a chance of their own, beta, a and b). Of each customer three numbers
count: x, the days with a purchase after the first one; t_x, the time from the first to
the last; T, the time from the first until today. All times have one unit.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import digamma, expit, gammaln, hyp2f1

from kith.models.lifetime_fits import Fit, Floats, counted, fit, placed

NAMES = ("r", "alpha", "a", "b")
# With times of about 10. The first is what many companies are like, the others are far.
_STARTS = ((0.5, 5.0, 0.8, 2.5), (2.0, 10.0, 1.0, 10.0), (0.2, 1.0, 0.2, 0.5))
# Closer to a = 1, where the formula is 0 / 0, it is taken on either side.
_BESIDE_1 = 1e-5


class Parameters(NamedTuple):
    """What a fit has found; alpha has the unit of the times."""

    r: float
    alpha: float
    a: float
    b: float


def fit_purchases(x: Floats, t_x: Floats, t: Floats) -> Fit:
    """The likeliest r, alpha, a and b.

    Raises Refusal where the data do not tell them.
    """
    # The optimiser wants parameters of like size.
    scale = max(float(t.max()) / 10, np.finfo(float).tiny)
    rows = counted(x, t_x / scale, t / scale)
    # The likelihood is a density of times: each repeat has the unit once.
    return fit(_LogLikelihood, rows, NAMES, _STARTS).rescaled(
        [1, scale, 1, 1], -math.log(scale) * float(x.sum())
    )


class _LogLikelihood:
    """Of log r, log alpha, log a and log b, with its gradient.

    Rows without a repeat come apart: of them only T counts.
    """

    def __init__(self, x: Floats, t_x: Floats, t: Floats, count: Floats) -> None:
        again = x > 0
        self.idle_t, self.idle_count = t[~again], count[~again]
        self.x, self.t_x, self.t, self.count = (
            each[again] for each in (x, t_x, t, count)
        )
        self.values, self.place = np.unique(self.x, return_inverse=True)
        # How many customers have each number of repeats.
        self.sizes = np.bincount(self.place, weights=self.count)

    def __call__(self, theta: Floats) -> tuple[float, Floats]:
        r, alpha, a, b = np.exp(theta)
        x, values, sizes, count = self.x, self.values, self.sizes, self.count
        log_t, log_t_x = np.log(alpha + self.t), np.log(alpha + self.t_x)
        # Still there, or gone right after the last purchase.
        stayed = -(r + x) * log_t
        left = (np.log(a) - np.log(b + values - 1))[self.place] - (r + x) * log_t_x
        gap = left - stayed
        smaller = np.exp(-np.abs(gap))
        either = stayed + np.maximum(gap, 0) + np.log1p(smaller)
        is_left = count * np.where(gap > 0, 1, smaller) / (1 + smaller)
        is_there = count - is_left
        idle_log = np.log(alpha + self.idle_t)
        of_values = (
            gammaln(r + values)
            - gammaln(r)
            + r * np.log(alpha)
            + gammaln(a + b)
            - gammaln(a + b + values)
            + gammaln(b + values)
            - gammaln(b)
        )
        total = (
            (sizes * of_values).sum()
            + (count * either).sum()
            + (self.idle_count * (r * (np.log(alpha) - idle_log))).sum()
        )
        gone = np.bincount(self.place, weights=is_left, minlength=len(values))
        among_all = digamma(a + b) - digamma(a + b + values)
        by_r = (
            (sizes * (digamma(r + values) - digamma(r) + np.log(alpha))).sum()
            - (is_there * log_t + is_left * log_t_x).sum()
            + (self.idle_count * (np.log(alpha) - idle_log)).sum()
        )
        everybody = count.sum() + self.idle_count.sum()
        by_alpha = (
            r / alpha * everybody
            - (
                (r + x) * (is_there / (alpha + self.t) + is_left / (alpha + self.t_x))
            ).sum()
            - (self.idle_count * r / (alpha + self.idle_t)).sum()
        )
        by_a = (sizes * among_all).sum() + gone.sum() / a
        by_b = (
            sizes * (among_all + digamma(b + values) - digamma(b))
            - gone / (b + values - 1)
        ).sum()
        gradient = np.array([r * by_r, alpha * by_alpha, a * by_a, b * by_b])
        return float(total), gradient


def alive_probability(
    parameters: Parameters, x: Floats, t_x: Floats, t: Floats
) -> Floats:
    """P(alive): the chance that a customer is still there.

    It is 1 for whoever bought once: by this model only a repeat can be the last one.
    """
    r, alpha, a, b = parameters
    again = x > 0
    odds_of_gone = (
        np.log(a)
        - np.log(np.where(again, b + x - 1, 1.0))
        + (r + x) * (np.log(alpha + t) - np.log(alpha + t_x))
    )
    return np.where(again, expit(-odds_of_gone), 1.0)


def expected_purchases(
    parameters: Parameters,
    x: Floats,
    t_x: Floats,
    t: Floats,
    ahead: list[float],
    weights: Floats | None = None,
) -> Floats:
    """E[Y]: days with a purchase in the times `ahead` from now; a column for each.

    With `weights`, of a row per time, there is a column for each of theirs instead: the
    weighted sum of what is expected between one time and the next.
    """
    # All that costs depends on x and T alone, of which there are few pairs.
    values, value = placed(x)
    times, time = placed(t)
    pairs, pair = np.unique(value * len(times) + time, return_inverse=True)
    of_x, of_t = values[pairs // len(times)], times[pairs % len(times)]
    expected = np.stack(
        [_if_alive(parameters, of_x, of_t, each) for each in ahead], axis=1
    )
    if weights is not None:
        expected = np.diff(expected, axis=1, prepend=0.0) @ weights
    alive = alive_probability(parameters, x, t_x, t)
    return alive[:, np.newaxis] * expected[pair]


def _if_alive(parameters: Parameters, x: Floats, t: Floats, ahead: float) -> Floats:
    """Purchases expected of customers who are still there."""
    if abs(parameters.a - 1) < _BESIDE_1:
        below, above = 1 - _BESIDE_1, 1 + _BESIDE_1
        return (
            _by_formula(parameters._replace(a=below), x, t, ahead)
            + _by_formula(parameters._replace(a=above), x, t, ahead)
        ) / 2
    return _by_formula(parameters, x, t, ahead)


def _by_formula(parameters: Parameters, x: Floats, t: Floats, ahead: float) -> Floats:
    r, alpha, a, b = parameters
    z = ahead / (alpha + t + ahead)
    size = a + b + x - 1
    # Of the published formula Euler's transformation: its two factors, one of which
    # becomes 0 and the other infinite for large x, are one here.
    series = (1 - z) ** (a - 1) * hyp2f1(a + b - 1 - r, a - 1, size, z)
    return size / (a - 1) * (1 - series)
