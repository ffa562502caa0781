"""A classifier finds what was planted, says how likely it is, and ignores copies."""

import numpy as np
import pytest
from scipy.special import expit

from kith.models.classifiers import best_threshold, fit
from kith.models.judgements import area_under_curve, calibration_slope
from kith.models.lifetime_fits import Booleans, Floats, Refusal


def planted(n: int, seed: int) -> tuple[Floats, Booleans, Floats]:
    """Indicators, of which two count and one counts where it is missing; the odds."""
    draw = np.random.default_rng(seed)
    counts = draw.poisson(3, size=n).astype(float)
    amounts = np.exp(draw.normal(4, 1.5, size=n))
    gaps = np.where(draw.random(n) < 0.3, np.nan, draw.random(n))
    noise = draw.normal(size=(n, 30))
    odds = 1.5 * np.log1p(counts) - 0.8 * np.log1p(amounts) + 1.2 * np.isnan(gaps) + 1
    columns = [counts, amounts, gaps, np.full(n, 7.0), np.full(n, np.nan), 2 * counts]
    outcome = draw.random(n) < expit(odds)
    return np.column_stack([*columns, noise]), outcome, odds


def test_what_was_planted_is_found_and_as_likely_as_it_was() -> None:
    model = fit(*planted(3000, 1)[:2])
    indicators, outcome, odds = planted(8000, 2)
    probability = model.probability(indicators)
    best = area_under_curve(outcome, odds)
    assert area_under_curve(outcome, probability).value > best.value - 0.01
    slope = calibration_slope(outcome, probability)
    assert 0.85 < slope.value < 1.15
    assert probability.mean() == pytest.approx(outcome.mean(), abs=0.02)


def test_it_is_the_same_each_time_and_leaves_out_what_says_nothing_or_the_same() -> (
    None
):
    indicators, outcome, _ = planted(1500, 1)
    one, again = fit(indicators, outcome), fit(indicators, outcome)
    assert (one.coefficients == again.coefficients).all()
    used = set(one.preparation.column.tolist())
    assert {0, 1, 2} <= used or {1, 2, 5} <= used
    assert not {3, 4} & used
    assert len({0, 5} & used) == 1
    # An amount beyond all that was seen counts as the largest usual one.
    extreme = indicators[:1].copy()
    extreme[0, 1] = 1e12
    assert 0 < one.probability(extreme)[0] < 1


def test_indicators_that_say_nothing_are_refused() -> None:
    draw = np.random.default_rng(5)
    outcome = np.arange(400) % 2 == 0
    with pytest.raises(Refusal, match="no indicator differs"):
        fit(np.ones((400, 3)), outcome)
    reversed_in_folds = draw.normal(size=(400, 1)) * 1e-3
    try:
        model = fit(reversed_in_folds, outcome)
    except Refusal as refusal:
        assert "say nothing" in str(refusal)
    else:
        assert np.ptp(model.probability(reversed_in_folds)) < 0.3


def test_the_threshold_has_the_best_f1_within_the_limits() -> None:
    outcome = np.array([True, True, False, True, False, False, True, False])
    probability = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.3])
    # F1 by the number named: 2/5, 4/6, 4/7, 6/8, 6/9, 6/10, 8/12 (two at once).
    assert best_threshold(outcome, probability) == 0.6
    assert best_threshold(outcome, probability, max_error_rate=0.2) == 0.8
    assert best_threshold(outcome, probability, max_miss_rate=0.0) == 0.3
    # Where nothing is within both the best of all.
    assert best_threshold(outcome, probability, 0.1, 0.1) == 0.6
