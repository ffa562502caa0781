"""Gamma-Gamma: how much a purchase of a customer will bring.

After Fader and Hardie, note 025. What a customer pays varies about a mean of their own
(gamma, shape p), whose rate varies over customers (gamma, q and v). How much somebody
pays must not hang on how often they buy.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import digamma, gammaln

from kith.models.lifetime_fits import Fit, Floats, Refusal, counted, fit

NAMES = ("p", "q", "v")
# With amounts of about 1.
_STARTS = ((6.0, 4.0, 0.5), (1.0, 2.0, 1.0), (20.0, 10.0, 0.5))


class Parameters(NamedTuple):
    """What a fit has found; v has the unit of the amounts."""

    p: float
    q: float
    v: float


def fit_amounts(x: Floats, mean: Floats) -> Fit:
    """The likeliest p, q and v of customers with x amounts of this mean, both above 0.

    Raises Refusal where the data do not tell them, or where the mean of all customers
    does not exist (q is 1 or less).
    """
    scale = float(np.median(mean))
    rows = counted(x, mean / scale)
    found = fit(_LogLikelihood, rows, NAMES, _STARTS)
    _, q, _ = found.parameters
    if q <= 1:
        raise Refusal(f"q is {q:.4g}: amounts so uneven have no mean")
    # The likelihood is a density of means: each customer has the unit once.
    return found.rescaled([1, 1, scale], -math.log(scale) * len(mean))


class _LogLikelihood:
    """Of log p, log q and log v, with its gradient."""

    def __init__(self, x: Floats, mean: Floats, count: Floats) -> None:
        self.x, self.mean, self.count = x, mean, count
        self.log_mean = np.log(mean)
        self.values, self.place = np.unique(x, return_inverse=True)
        self.sizes = np.bincount(self.place, weights=count)

    def __call__(self, theta: Floats) -> tuple[float, Floats]:
        p, q, v = np.exp(theta)
        x, values, sizes, count = self.x, self.values, self.sizes, self.count
        spent = x * self.mean + v
        log_spent = np.log(spent)
        of_values = (
            gammaln(p * values + q)
            - gammaln(p * values)
            - gammaln(q)
            + q * np.log(v)
            + p * values * np.log(values)
        )
        total = (sizes * of_values).sum() + (
            count * ((p * x - 1) * self.log_mean - (p * x + q) * log_spent)
        ).sum()
        of_both = digamma(p * values + q)
        by_p = (
            sizes * values * (of_both - digamma(p * values) + np.log(values))
        ).sum() + (count * x * (self.log_mean - log_spent)).sum()
        by_q = (sizes * (of_both - digamma(q) + np.log(v))).sum() - (
            count * log_spent
        ).sum()
        by_v = (count * (q / v - (p * x + q) / spent)).sum()
        return float(total), np.array([p * by_p, q * by_q, v * by_v])


def expected_amount(parameters: Parameters, x: Floats, mean: Floats) -> Floats:
    """E[M]: what a purchase of each customer will bring.

    Without a repeat (x = 0) it is the mean of all customers, whatever `mean` says.
    """
    p, q, v = parameters
    spent = np.where(x > 0, x * mean, 0.0)
    return p * (v + spent) / (p * x + q - 1)
