"""Maxima that are found from several starts, and those that are none."""

import math

import numpy as np
import pytest

from kith.models.lifetime_fits import Refusal, counted, fit


def normal(*rows):
    """Log-likelihood of rows of log-normal values, of their mean and spread.

    Both are positive, as fit wants them.
    """
    values, count = rows

    def log_likelihood(theta):
        mean, spread = np.exp(theta)
        apart = values - mean
        total = (count * (-(apart**2) / (2 * spread**2) - math.log(spread))).sum()
        by_mean = (count * apart).sum() / spread**2
        by_spread = (count * (apart**2 / spread**3 - 1 / spread)).sum()
        return float(total), np.array([mean * by_mean, spread * by_spread])

    return log_likelihood


@pytest.mark.parametrize("size", [500, 60_000])
def test_maximum_and_its_intervals_are_those_of_the_textbook(size: int) -> None:
    values = np.random.default_rng(1).normal(50, 4, size)
    found = fit(
        normal, counted(values), ("mean", "spread"), [(10.0, 10.0), (90.0, 1.0)]
    )
    mean, spread = values.mean(), values.std()

    assert found.parameters == pytest.approx([mean, spread], rel=1e-9)
    error = 1.959964 * spread / math.sqrt(size)
    assert found.upper[0] - found.lower[0] == pytest.approx(2 * error, rel=1e-3)
    assert found.lower[1] < spread < found.upper[1]


def hills(*rows):
    """Two maxima, at 1 and at e squared; rows count for nothing."""

    def log_likelihood(theta):
        (at,) = theta
        return -((at * (at - 2)) ** 2), np.array([-4 * at * (at - 2) * (at - 1)])

    return log_likelihood


def plain(*rows):
    """Flat in the second parameter."""

    def log_likelihood(theta):
        return -((theta[0] - 1) ** 2), np.array([-2 * (theta[0] - 1), 0.0])

    return log_likelihood


def test_starts_that_end_in_two_places_are_refused() -> None:
    rows = (np.zeros(1), np.ones(1))
    with pytest.raises(Refusal, match=r"disagree: height is (1|7\.389) or (1|7\.389)"):
        fit(hills, rows, ("height",), [(0.5,), (9.0,)])
    assert fit(hills, rows, ("height",), [(0.99,), (1.01,)]).parameters == [
        pytest.approx(1, abs=1e-4)
    ]


def test_a_parameter_that_nothing_tells_is_refused() -> None:
    with pytest.raises(Refusal, match="no maximum: the data do not tell"):
        fit(plain, (np.zeros(1), np.ones(1)), ("a", "b"), [(1.0, 3.0), (5.0, 3.0)])


def plateau(*rows):
    """So flat at the top, at 1, that the optimiser stops before."""

    def log_likelihood(theta):
        (at,) = theta
        return -1e-10 * at**4, np.array([-4e-10 * at**3])

    return log_likelihood


def test_an_end_below_the_top_is_refused() -> None:
    with pytest.raises(Refusal, match="no maximum"):
        fit(plateau, (np.zeros(1), np.ones(1)), ("a",), [(3.0,)])


def test_rows_are_counted_in_an_order_of_their_own() -> None:
    x = np.array([2.0, 0, 2, 0, 2, 1])
    t = np.array([0.5, 7, 0.5, 3, 9, 0.1])
    order = np.random.default_rng(3).permutation(6)

    for each in (slice(None), order):
        assert [list(column) for column in counted(x[each], t[each])] == [
            [0, 0, 1, 2, 2],
            [3, 7, 0.1, 0.5, 9],
            [1, 1, 1, 2, 1],
        ]
