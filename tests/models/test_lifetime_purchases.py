"""BG/NBD against the published results, the integrals behind it, and simulations."""

import math

import numpy as np
import pytest
from scipy import integrate, special, stats

from kith.models.lifetime_fits import Refusal, counted
from kith.models.lifetime_purchases import (
    NAMES,
    Parameters,
    _LogLikelihood,
    alive_probability,
    expected_purchases,
    fit_purchases,
)
from tests.models import lifetimes

PUBLISHED = Parameters(0.243, 4.414, 0.793, 2.426)


def array(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)


def seen(people: lifetimes.Simulated) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, t_x and T in weeks."""
    x = np.bincount(people.customer, minlength=len(people.age)).astype(float)
    t_x = np.zeros(len(people.age))
    np.maximum.at(t_x, people.customer, people.after)
    return x, t_x, people.age


def test_cdnow_has_the_published_frequency_recency_and_age() -> None:
    x, t_x, t, _ = lifetimes.cdnow_histories()

    assert len(x) == 2_357
    assert [
        (int(n), round(last, 2), round(age, 2))
        for n, last, age in zip(x, t_x, t, strict=True)
    ] == lifetimes.cdnow_summary()


def test_cdnow_has_the_published_parameters() -> None:
    x, t_x, t, _ = lifetimes.cdnow_histories()
    found = fit_purchases(x, t_x, t)

    assert found.parameters == pytest.approx(PUBLISHED, rel=0.005)
    assert round(found.log_likelihood, 2) == -9582.43
    assert (found.lower < PUBLISHED).all()
    assert (found.upper > PUBLISHED).all()


def test_the_published_predictions() -> None:
    x, t_x, t = array(2, 0), array(30.43, 0), array(38.86, 38.86)
    expected = expected_purchases(PUBLISHED, x, t_x, t, [39])

    assert [round(value, 4) for value in expected[:, 0]] == [1.2260, 0.1951]
    alive = alive_probability(PUBLISHED, x, t_x, t)
    assert [round(value, 4) for value in alive] == [0.7266, 1]


def test_the_unit_of_time_does_not_matter() -> None:
    x, t_x, t = seen(lifetimes.simulated(3000, seed=2))
    weeks, days = fit_purchases(x, t_x, t), fit_purchases(x, 7 * t_x, 7 * t)

    unit = array(1, 7, 1, 1)
    assert days.parameters == pytest.approx(unit * weeks.parameters, rel=1e-9)
    assert days.lower == pytest.approx(unit * weeks.lower, rel=1e-8)
    # One factor per repeat, as of every density of times.
    assert days.log_likelihood == pytest.approx(
        weeks.log_likelihood - x.sum() * math.log(7)
    )


def test_the_gradient_is_that_of_the_likelihood() -> None:
    rows = counted(*seen(lifetimes.simulated(500)))
    log_likelihood = _LogLikelihood(*rows)
    for theta in np.random.default_rng(4).normal(0, 1.5, (5, 4)):
        _, gradient = log_likelihood(theta)
        for at, slope in enumerate(gradient):
            side = 1e-5 * np.eye(4)[at]
            rise = log_likelihood(theta + side)[0] - log_likelihood(theta - side)[0]
            assert slope == pytest.approx(rise / 2e-5, rel=1e-4, abs=1e-3), NAMES[at]


def likelihood(r: float, alpha: float, a: float, b: float, row: np.ndarray) -> float:
    """A1·A2·(A3 + A4) as it was published, without logarithms."""
    x, t_x, t = row
    g = math.gamma
    a1 = g(r + x) * alpha**r / g(r)
    a2 = g(a + b) * g(b + x) / (g(b) * g(a + b + x))
    a3 = (1 / (alpha + t)) ** (r + x)
    a4 = a / (b + x - 1) * (1 / (alpha + t_x)) ** (r + x) if x else 0
    return a1 * a2 * (a3 + a4)


def test_the_likelihood_is_the_published_formula() -> None:
    rows = np.array([[0, 0, 5], [0, 0, 5], [1, 3, 4], [7, 30, 31], [2, 2, 40]])
    counts = counted(*rows.T.astype(float))
    expected = math.fsum(math.log(likelihood(*PUBLISHED, row)) for row in rows)

    total, _ = _LogLikelihood(*counts)(np.log(PUBLISHED))
    assert total == pytest.approx(expected, rel=1e-12)


def if_alive(parameters: Parameters, x: float, t: float, ahead: float) -> float:
    """Purchases to come, as the mean over rates and chances of leaving after each.

    Who buys at rate l and leaves with chance p buys (1 - exp(-l p t)) / p times.
    """
    r, alpha, a, b = parameters
    power = min(a, 1)  # of p, so that its density is finite at 0

    def given(u: float) -> float:
        p = u ** (1 / power)
        gone = -math.expm1((r + x) * -math.log1p(p * ahead / (alpha + t)))
        density = u ** (a / power - 1) * (1 - p) ** (b + x - 1) / special.beta(a, b + x)
        return gone / p * density / power

    points = [stats.beta(a, b + x).ppf(share) ** power for share in (0.01, 0.5, 0.99)]
    value, _ = integrate.quad(given, 0, 1, points=points, epsabs=0, epsrel=1e-9)
    return value


@pytest.mark.parametrize("a", [0.3, 0.9999999, 1.0, 1.00001, 1.0001, 4.0])
@pytest.mark.parametrize("x", [0, 3, 800])
def test_expected_purchases_are_the_mean_over_all_kinds_of_customers(
    a: float, x: float
) -> None:
    """At a = 1 the formula divides 0 by 0; at 800 repeats its factors overflow."""
    parameters = Parameters(0.8, 2.0, a, 3.5)
    t_x, t = 100.0 * min(x, 1), 104.0
    expected = expected_purchases(parameters, array(x), array(t_x), array(t), [4, 52])
    alive = alive_probability(parameters, array(x), array(t_x), array(t))[0]

    assert expected[0] == pytest.approx(
        [alive * if_alive(parameters, x, t, ahead) for ahead in (4, 52)],
        rel=1e-7,
        abs=0,
    )


def test_the_oftener_somebody_came_the_more_their_silence_says() -> None:
    x, t_x = array(1, 10, 200), array(20, 20, 20)
    alive = alive_probability(PUBLISHED, x, t_x, array(60, 60, 60))

    assert alive[0] > alive[1] > alive[2] >= 0
    assert alive[2] < 1e-30
    # Silent for no time at all: gone only if the last purchase was the last.
    assert alive_probability(PUBLISHED, array(3), array(20), array(20)) == [
        pytest.approx(1 - 0.793 / (0.793 + 2.426 + 3 - 1))
    ]


def test_errors_of_the_parameters_are_as_large_as_their_intervals_say() -> None:
    """Forty companies; the squared error, in standard errors, has four degrees."""
    distances = []
    for seed in range(40):
        x, t_x, t = seen(lifetimes.simulated(3000, seed, (0.6, 6, 0.9, 3)))
        found = fit_purchases(x, t_x, t)
        log_error = np.log(found.parameters / array(0.6, 6, 0.9, 3))
        spread = np.log(found.upper / found.lower) / (2 * 1.959964)
        distances.append((log_error / spread) ** 2)

    # Each parameter alone: 40 squares of a standard normal.
    low, high = stats.chi2(40).ppf([0.001, 0.999])
    assert (np.sum(distances, axis=0) > low).all()
    assert (np.sum(distances, axis=0) < high).all()


def test_customers_of_whom_nobody_ever_leaves_are_refused() -> None:
    people = lifetimes.simulated(2000, lives=(2, 4, 1e-9, 1))
    with pytest.raises(Refusal, match=r"starts of the fit disagree|no maximum"):
        fit_purchases(*seen(people))
