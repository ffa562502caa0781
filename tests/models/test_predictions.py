"""Models are judged on a later day, published or refused, and applied to today."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from scipy.special import expit

from kith.models.leaks import find_leaks
from kith.models.predictions import Limits, evaluate, predict
from tests.models.futures import DAYS, future

WIDE = Limits.of_percents(50, 50)


def evaluated(
    indicators: pa.Table, outcomes: pa.Table, limits: Limits = WIDE
) -> dict[tuple[str, str], dict[str, Any]]:
    findings = find_leaks(indicators, outcomes)
    return {
        (row["model"], row["metric"]): row
        for row in evaluate(indicators, outcomes, findings, limits).to_pylist()
    }


def test_a_model_that_is_right_and_better_than_recency_is_published_and_applied() -> (
    None
):
    indicators, outcomes = future(800)
    findings = find_leaks(indicators, outcomes)
    judged = evaluate(indicators, outcomes, findings, WIDE)
    rows = {
        row["metric"]: row for row in judged.to_pylist() if row["model"] == "buys_again"
    }
    assert {row["status"] for row in rows.values()} == {"published"}
    assert rows["auc_gained"]["lower_bound"] > 0.05
    assert rows["auc"]["value"] - rows["baseline_auc"]["value"] == pytest.approx(
        rows["auc_gained"]["value"]
    )
    assert rows["error_rate"]["value"] + rows["precision"]["value"] == pytest.approx(1)
    assert rows["miss_rate"]["value"] + rows["recall"]["value"] == pytest.approx(1)
    assert 0.7 < rows["calibration_slope"]["value"] < 1.3
    assert rows["positives"]["role"] == "train" and rows["auc"]["role"] == "test"
    today = indicators.filter(pc.equal(indicators["observed_on"], DAYS["score"]))
    made = predict(
        indicators,
        outcomes,
        findings,
        judged,
        WIDE,
        [today.slice(0, 300), today.slice(300)],
    )
    by_customer = {row["customer_id"]: row for row in made.to_pylist()}
    assert len(by_customer) == len(made) == 800
    likes = dict(
        zip(today["customer_id"].to_pylist(), today["liking"].to_pylist(), strict=True)
    )
    probability = np.array([by_customer[name]["probability"] for name in likes])
    assert np.corrcoef(probability, list(likes.values()))[0, 1] > 0.6
    is_foretold = np.array([by_customer[name]["is_foretold"] for name in likes])
    assert probability[is_foretold].min() > probability[~is_foretold].max()


def test_neither_the_order_of_rows_nor_what_comes_after_today_changes_anything() -> (
    None
):
    indicators, outcomes = future(400)
    findings = find_leaks(indicators, outcomes)
    turned = indicators.take(pa.array(np.arange(len(indicators))[::-1]))
    mixed = outcomes.take(pa.array(np.random.default_rng(3).permutation(len(outcomes))))
    assert evaluate(indicators, outcomes, findings, WIDE) == evaluate(
        turned, mixed, findings, WIDE
    )


def test_what_leaks_is_used_by_no_model_into_which_it_leaks() -> None:
    indicators, outcomes = future(800, effect=0.0)
    with_leaks = evaluated(indicators, outcomes)
    names = ["trait_paid", "trait_left"]
    without = evaluated(indicators.drop_columns(names), outcomes)
    assert (
        with_leaks["buys_again", "auc"]["value"]
        == without["buys_again", "auc"]["value"]
    )


@pytest.mark.parametrize(
    ("n", "effect", "limits", "reason"),
    [
        (800, 2.0, Limits.of_percents(5, 50), "turn out wrong, allowed are 5 %"),
        (800, 2.0, Limits.of_percents(50, 1), "it misses"),
        (800, 0.0, WIDE, "no better than days_since_order alone: AUC"),
        (150, 2.0, WIDE, "on the day of training the outcome came of"),
    ],
)
def test_a_model_that_does_not_do_is_refused_and_says_why(
    n: int, effect: float, limits: Limits, reason: str
) -> None:
    indicators, outcomes = future(n, effect=effect)
    findings = find_leaks(indicators, outcomes)
    judged = evaluate(indicators, outcomes, findings, limits)
    rows = [row for row in judged.to_pylist() if row["model"] == "buys_again"]
    assert {row["status"] for row in rows} == {"refused"}
    assert all(reason in row["reason"] for row in rows), rows[0]["reason"]
    today = indicators.filter(pc.equal(indicators["observed_on"], DAYS["score"]))
    made = predict(indicators, outcomes, findings, judged, limits, [today])
    assert len(made) == n
    assert made["probability"].null_count == made["is_foretold"].null_count == n


def test_a_model_that_nothing_can_be_learnt_of_anew_is_refused() -> None:
    # What `liking` says has all but faded on the day of judging: enough to be better
    # than recency there, too little to be learnt from that day alone.
    indicators, outcomes = future(300, seed=23, effect=0.0)
    indicators = indicators.drop_columns(["trait_paid", "trait_left"])
    draw = np.random.default_rng(23)
    effects = {"train": 2.0, "test": 0.2, "score": 0.0}
    effect = np.array([effects[role] for role in outcomes["role"].to_pylist()])
    came = draw.random(len(effect)) < expit(effect * np.asarray(indicators["liking"]))
    is_known = pc.not_equal(outcomes["role"], "score")
    drawn = pc.if_else(is_known, pa.array(came), None)
    outcomes = outcomes.set_column(
        outcomes.column_names.index("outcome"), "outcome", drawn
    )
    findings = find_leaks(indicators, outcomes)
    judged = evaluate(indicators, outcomes, findings, Limits(1.0, 1.0))
    rows = {
        row["metric"]: row for row in judged.to_pylist() if row["model"] == "buys_again"
    }
    assert rows["auc_gained"]["lower_bound"] > 0
    assert {row["reason"] for row in rows.values()} == {
        "the indicators say nothing of who will"
    }
    today = indicators.filter(pc.equal(indicators["observed_on"], DAYS["score"]))
    made = predict(indicators, outcomes, findings, judged, Limits(1.0, 1.0), [today])
    assert made["probability"].null_count == len(made) == 300


def test_without_days_to_train_on_or_anybody_asked_all_are_refused() -> None:
    indicators, outcomes = future(400)
    today = outcomes.filter(pc.equal(outcomes["role"], "score"))
    found = evaluated(indicators, today)
    assert {model for model, _ in found} == {"buys_again", "pays_again", "becomes_vip"}
    for row in found.values():
        assert (row["metric"], row["value"], row["n"]) == ("positives", 0, 0)
        assert (
            row["reason"] == "there are too few days to train on and then to judge on"
        )
    nobody = evaluated(indicators.slice(0, 0), outcomes.slice(0, 0))
    assert set(nobody) == set(found)
