"""What gives the outcome away is found and named; what only tells of it is not."""

import numpy as np
import pyarrow as pa

from kith.models.leaks import find_leaks
from tests.models.futures import future


def found(indicators: pa.Table, outcomes: pa.Table) -> dict[tuple[str, str], str]:
    return {
        (row["question"], row["indicator"]): row["reason"]
        for row in find_leaks(indicators, outcomes).to_pylist()
    }


def test_what_only_those_have_of_whom_it_came_or_did_not_is_named_with_numbers() -> (
    None
):
    indicators, outcomes = future(600)
    leaks = found(indicators, outcomes)
    assert set(leaks) == {("buys_again", "trait_paid"), ("buys_again", "trait_left")}
    assert (
        "have it, and the outcome came of all of them"
        in leaks["buys_again", "trait_paid"]
    )
    assert (
        "have it, and the outcome came of none of them"
        in leaks["buys_again", "trait_left"]
    )


def test_what_leaks_into_one_question_may_serve_another() -> None:
    indicators, outcomes = future(600)
    # The same customers, asked something that the traits have nothing to do with.
    other = np.random.default_rng(2).random(len(outcomes)) < 0.5
    is_known = np.asarray(outcomes["outcome"].is_valid())
    vip = outcomes.set_column(
        0, "question", pa.array(["becomes_vip"] * len(outcomes))
    ).set_column(5, "outcome", pa.array(other, mask=~is_known))
    leaks = found(indicators, pa.concat_tables([outcomes, vip]))
    assert {question for question, _ in leaks} == {"buys_again"}


def test_few_customers_or_an_outcome_that_is_rare_anyhow_prove_nothing() -> None:
    indicators, outcomes = future(30)
    assert found(indicators, outcomes) == {}
    indicators, outcomes = future(600)
    rare = np.random.default_rng(2).random(len(outcomes)) < 0.04
    is_known = np.asarray(outcomes["outcome"].is_valid())
    has = np.zeros(len(indicators))
    has[np.flatnonzero(~rare)[::12]] = 1  # a hundred or so, of whom it never came
    outcomes = outcomes.set_column(5, "outcome", pa.array(rare, mask=~is_known))
    traits = indicators.select(
        ["customer_id", "observed_on", "days_since_order", "order_amount_365d"]
    ).append_column("trait_new", pa.array(has))
    assert found(traits, outcomes) == {}


def test_what_parts_them_all_but_perfectly_is_named_unless_recency_does() -> None:
    indicators, outcomes = future(600)
    answer = np.asarray(outcomes["outcome"].fill_null(False)).astype(float)
    noise = np.random.default_rng(4).normal(size=len(answer)) * 0.1
    indicators = indicators.append_column("told", pa.array(answer + noise))
    # Missing for whom it did not come, whatever the value of the others.
    indicators = indicators.append_column("kept", pa.array(noise, mask=answer == 0))
    leaks = found(indicators, outcomes)
    assert "AUC" in leaks["buys_again", "told"]
    assert "AUC" in leaks["buys_again", "kept"]
    assert ("buys_again", "liking") not in leaks
    easy = indicators.set_column(
        2, "days_since_order", pa.array(100 - 90 * answer + noise)
    )
    assert not {("buys_again", "told"), ("buys_again", "kept")} & set(
        found(easy, outcomes)
    )
