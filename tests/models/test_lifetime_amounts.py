"""Gamma-Gamma against the published results and simulations."""

import math

import numpy as np
import pytest

from kith.models.lifetime_amounts import (
    NAMES,
    Parameters,
    _LogLikelihood,
    expected_amount,
    fit_amounts,
)
from kith.models.lifetime_fits import Refusal, counted
from tests.models import lifetimes

PUBLISHED = Parameters(6.25, 3.74, 15.44)


def array(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)


def test_cdnow_has_the_published_parameters() -> None:
    x, _, _, mean = lifetimes.cdnow_histories()
    again = x > 0
    found = fit_amounts(x[again], mean[again])

    assert again.sum() == 946
    assert found.parameters == pytest.approx(PUBLISHED, rel=0.005)
    assert round(np.corrcoef(x[again], mean[again])[0, 1], 3) == 0.114


def test_the_published_predictions() -> None:
    amounts = expected_amount(PUBLISHED, array(2, 1, 0), array(22.35, 11.77, math.nan))

    # The mean of all customers, whom no repeat tells apart: p v / (q - 1).
    assert [round(amount, 2) for amount in amounts] == [24.66, 18.92, 35.22]


def sample(seed: int = 1, money: Parameters = PUBLISHED) -> tuple[np.ndarray, ...]:
    people = lifetimes.simulated(3000, seed, money=money)
    x = np.bincount(people.customer, minlength=3000).astype(float)
    total = np.bincount(people.customer, people.amount, minlength=3000)
    return x[x > 0], total[x > 0] / x[x > 0]


def test_the_currency_does_not_matter() -> None:
    x, mean = sample()
    euros, cents = fit_amounts(x, mean), fit_amounts(x, 100 * mean)

    assert cents.parameters == pytest.approx(array(1, 1, 100) * euros.parameters)
    assert cents.log_likelihood == pytest.approx(
        euros.log_likelihood - len(x) * math.log(100)
    )
    true_ones = array(*PUBLISHED)
    assert (euros.lower < true_ones).all()
    assert (euros.upper > true_ones).all()


def test_the_likelihood_is_the_published_formula_and_its_gradient_is_its_own() -> None:
    x, mean = sample()
    log_likelihood = _LogLikelihood(*counted(x, mean))
    for theta in np.random.default_rng(4).normal(0.5, 1, (5, 3)):
        p, q, v = np.exp(theta)
        expected = math.fsum(
            math.lgamma(p * n + q)
            - math.lgamma(p * n)
            - math.lgamma(q)
            + q * math.log(v)
            + (p * n - 1) * math.log(m)
            + p * n * math.log(n)
            - (p * n + q) * math.log(n * m + v)
            for n, m in zip(x, mean, strict=True)
        )
        total, gradient = log_likelihood(theta)
        assert total == pytest.approx(expected, rel=1e-10)
        for at, slope in enumerate(gradient):
            side = 1e-5 * np.eye(3)[at]
            rise = log_likelihood(theta + side)[0] - log_likelihood(theta - side)[0]
            assert slope == pytest.approx(rise / 2e-5, rel=1e-4, abs=1e-3), NAMES[at]


def test_amounts_without_a_mean_are_refused() -> None:
    x, mean = sample(money=Parameters(4, 0.7, 10))
    with pytest.raises(Refusal, match=r"q is 0\.[67]\d*: amounts so uneven have no"):
        fit_amounts(x, mean)
