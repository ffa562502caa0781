"""How good a model is: against published examples and counting by hand."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from kith.models import judgements
from kith.models.judgements import Confusion


def test_error_and_miss_rate_are_those_of_the_example() -> None:
    counts = Confusion(
        true_positive=30, false_positive=10, false_negative=20, true_negative=0
    )
    assert counts.error_rate.value == pytest.approx(0.25)
    assert counts.miss_rate.value == pytest.approx(0.40)
    assert counts.precision.value == pytest.approx(0.75)
    assert counts.recall.value == pytest.approx(0.60)
    assert (counts.precision.n, counts.recall.n) == (40, 50)


def test_rates_of_nobody_are_missing() -> None:
    nobody = judgements.confusion(np.array([True, False]), np.array([False, False]))
    assert nobody == Confusion(0, 0, 1, 1)
    assert nobody.error_rate.value is nobody.precision.value is None
    assert nobody.miss_rate.value == 1.0
    nothing_came = judgements.confusion(np.array([False]), np.array([True]))
    assert nothing_came.recall.value is nothing_came.miss_rate.value is None


@pytest.mark.parametrize(
    ("part", "whole", "lower", "upper"),
    [(70, 100, 0.604, 0.781), (3, 3, 0.439, 1.0), (0, 3, 0.0, 0.561)],
)
def test_shares_have_the_interval_of_wilson(
    part: int, whole: int, lower: float, upper: float
) -> None:
    found = judgements.share(part, whole)
    assert (found.lower, found.upper) == pytest.approx((lower, upper), abs=6e-4)
    assert found.lower <= found.value <= found.upper


def test_area_is_the_share_of_pairs_in_the_right_order_and_half_the_ties() -> None:
    outcome = np.array([True, True, False, False])
    found = judgements.area_under_curve(outcome, np.array([0.9, 0.4, 0.4, 0.1]))
    assert found.value == pytest.approx(3.5 / 4)
    assert judgements.area_under_curve(outcome | True, np.ones(4)).value is None
    assert judgements.area_under_curve(outcome & False, np.ones(4)).value is None


def test_area_and_its_interval_hold_over_draws() -> None:
    draw = np.random.default_rng(7)
    inside = 0
    for _ in range(200):
        outcome = draw.random(300) < 0.3
        score = draw.normal(size=300) + outcome  # AUC is Phi(1 / sqrt 2)
        found = judgements.area_under_curve(outcome, score)
        assert found.value == pytest.approx(roc_auc_score(outcome, score))
        inside += found.lower <= 0.7602 <= found.upper
    assert 180 <= inside <= 199


def test_what_is_gained_is_certain_where_two_scores_are_nearly_one() -> None:
    draw = np.random.default_rng(7)
    outcome = draw.random(500) < 0.5
    score = draw.normal(size=500) + outcome
    better = score + 0.2 * outcome
    gained = judgements.area_gained(outcome, better, score)
    assert 0 < gained.lower < gained.value < 0.1
    same = judgements.area_gained(outcome, score, score)
    assert same[:1] + same[2:] == (0.0, 0.0, 0.0)
    alone = judgements.area_under_curve(outcome, score)
    assert gained.upper - gained.lower < (alone.upper - alone.lower) / 2


def test_calibration_tells_odds_that_are_too_far_apart() -> None:
    draw = np.random.default_rng(7)
    odds = draw.normal(size=20_000)
    outcome = draw.random(20_000) < 1 / (1 + np.exp(-odds))
    right = judgements.calibration_slope(outcome, 1 / (1 + np.exp(-odds)))
    assert right.lower < 1 < right.upper
    sure = judgements.calibration_slope(outcome, 1 / (1 + np.exp(-2 * odds)))
    assert sure.value == pytest.approx(right.value / 2, rel=1e-6)
    shift, slope = judgements.recalibrated(outcome, 2 * odds + 1)
    fitted = LogisticRegression(C=np.inf).fit((2 * odds + 1)[:, None], outcome)
    assert (shift, slope) == pytest.approx(
        (fitted.intercept_[0], fitted.coef_[0, 0]), rel=1e-3
    )
    assert judgements.calibration_slope(outcome, np.full(20_000, 0.5)).value is None
    # No slope parts them well enough: there is no end to it.
    parted = np.array([0.1, 0.2, 0.8, 0.9])
    assert judgements.calibration_slope(parted > 0.5, parted).value is None


def test_brier_score_is_the_mean_squared_distance() -> None:
    found = judgements.brier_score(np.array([True, False]), np.array([0.8, 0.4]))
    assert found.value == pytest.approx((0.04 + 0.16) / 2)
    assert found.lower < found.value < found.upper
    assert judgements.brier_score(np.array([], dtype=bool), np.array([])).value is None
