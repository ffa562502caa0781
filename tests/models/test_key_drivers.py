"""Shares of drivers: the checked examples, and what both ways must satisfy."""

from itertools import permutations

import numpy as np
import pytest

from kith.models.key_drivers import lmg, relative_weights

TWO = np.array([[1, 0.5], [0.5, 1]]), np.array([0.6, 0.4])
THREE = (
    np.array([[1, 0.5, 0.3], [0.5, 1, 0.4], [0.3, 0.4, 1]]),
    np.array([0.6, 0.5, 0.4]),
)


def test_two_drivers_have_the_published_shares_by_both_ways() -> None:
    expected = [0.286667, 0.086667]
    assert lmg(*TWO) == pytest.approx(expected, abs=5e-7)
    assert relative_weights(*TWO) == pytest.approx(expected, abs=5e-7)
    shares = 100 * lmg(*TWO) / lmg(*TWO).sum()
    assert shares == pytest.approx([76.79, 23.21], abs=0.005)


def test_three_drivers_have_the_published_shares_which_differ_by_the_way() -> None:
    assert lmg(*THREE) == pytest.approx([0.237472, 0.124688, 0.079615], abs=5e-7)
    assert relative_weights(*THREE) == pytest.approx(
        [0.238098, 0.122410, 0.081266], abs=5e-7
    )
    assert lmg(*THREE).sum() == pytest.approx(0.441774, abs=5e-7)
    assert relative_weights(*THREE).sum() == pytest.approx(0.441774, abs=5e-7)


def test_lmg_is_the_mean_gain_over_all_orders_of_entry() -> None:
    draw = np.random.default_rng(3)
    data = draw.normal(size=(60, 5)) @ draw.normal(size=(5, 5))
    r = np.corrcoef(data.T)
    r_xx, r_xy = r[:4, :4], r[:4, 4]

    def explained(chosen: list[int]) -> float:
        some = np.ix_(chosen, chosen)
        return float(r_xy[chosen] @ np.linalg.solve(r_xx[some], r_xy[chosen]))

    gains = np.zeros(4)
    for order in permutations(range(4)):
        for place, driver in enumerate(order):
            before = list(order[:place])
            gains[driver] += explained([*before, driver]) - (
                explained(before) if before else 0
            )
    assert lmg(r_xx, r_xy) == pytest.approx(gains / 24)


def test_of_two_that_say_the_same_each_bears_a_half() -> None:
    same = np.ones((2, 2)), np.array([0.6, 0.6])
    assert lmg(*same) == pytest.approx([0.18, 0.18])
    assert relative_weights(*same) == pytest.approx([0.18, 0.18])
