"""Whom a question is put to, with the indicators of the very day."""

import datetime as dt

import numpy as np
import pyarrow as pa

from kith.models import observations
from kith.models.observations import asked, leaks_of, matrix

DAY, LATER = dt.date(2024, 1, 31), dt.date(2024, 4, 30)
INDICATORS = pa.table(
    {
        "customer_id": ["a", "b", "a", "c"],
        "observed_on": [DAY, DAY, LATER, DAY],
        "days_since_order": [3.0, None, 93.0, 5.0],
        "order_amount_365d": [float("inf"), 2.0, 1.0, 0.0],
    }
)
OUTCOMES = pa.table(
    {
        "question": ["buys_again", "buys_again", "stays", "buys_again", "buys_again"],
        "observed_on": [DAY, DAY, DAY, LATER, DAY],
        "role": ["train", "train", "train", "test", "train"],
        "customer_id": ["a", "b", "b", "a", "unknown"],
        "tier": ["Low", "High", "High", "Low", "Low"],
        "outcome": [True, False, True, None, True],
        "place": [2, 1, 1, 1, 3],
    }
)


def test_indicators_of_the_day_stand_beside_what_came_after_it() -> None:
    found = asked(INDICATORS, OUTCOMES, "buys_again", "train")
    assert found.customers.to_pylist() == ["b", "a"]
    assert found.tiers.to_pylist() == ["High", "Low"]
    assert found.outcome.tolist() == [False, True]
    np.testing.assert_equal(found.indicators, [[np.nan, 2], [3, np.nan]])
    # Without a purchase known it is less likely than with the oldest one.
    assert found.baseline("buys_again").tolist() == [-np.inf, -3]
    assert found.without({"days_since_order"}).names == ["order_amount_365d"]
    assert found.of(np.array([False, True])).customers.to_pylist() == ["a"]
    assert asked(INDICATORS, OUTCOMES, "buys_again", "score") is None


def test_more_customers_than_are_needed_are_left_out(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(observations, "MOST_CUSTOMERS", 1)
    assert asked(INDICATORS, OUTCOMES, "buys_again", "train").customers.to_pylist() == [
        "b"
    ]


def test_decimals_and_whole_numbers_are_read_as_well() -> None:
    rows = pa.table({"a": pa.array([1, None], pa.int64())})
    np.testing.assert_equal(matrix(rows, ["a"]), [[1], [np.nan]])


def test_a_leak_counts_for_its_question_alone() -> None:
    findings = pa.table(
        {"question": ["stays"], "indicator": ["trait_x"], "status": ["leak"]}
    )
    assert leaks_of(findings, "stays") == {"trait_x"}
    assert leaks_of(findings, "buys_again") == set()
