"""Models of lifetimes, judged on what they did not see, and their predictions."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from kith.models import lifetime_amounts, lifetime_purchases
from kith.models.lifetime_values import EVALUATED_FROM, PREDICTED_FROM
from kith.models.lifetime_values import evaluate as evaluate_columns
from kith.models.lifetime_values import predict as predict_columns
from tests.models.lifetimes import histories, simulated

PEOPLE = histories(simulated(3000, seed=5))


def evaluate(table: pa.Table) -> pa.Table:
    return evaluate_columns(table.select(EVALUATED_FROM))


def predict(table: pa.Table, evaluations: pa.Table, discount: float = 1) -> pa.Table:
    return predict_columns(table.select(PREDICTED_FROM), evaluations, discount)


def of(evaluations: pa.Table, model: str, population: str = "new") -> dict[str, Any]:
    """Rows of a model by metric."""
    return {
        row["metric"]: row
        for row in evaluations.to_pylist()
        if (row["model"], row["population"]) == (model, population)
    }


def status(rows: dict[str, Any]) -> tuple[str, str | None]:
    """Status and reason, which all rows of a model share."""
    ((found, reason),) = {(row["status"], row["reason"]) for row in rows.values()}
    return found, reason


def changed(table: pa.Table, **columns: Any) -> pa.Table:
    for name, values in columns.items():
        table = table.set_column(table.schema.get_field_index(name), name, [values])
    return table


def floats(table: pa.Table, name: str) -> np.ndarray:
    column = table.column(name).cast(pa.float64()).combine_chunks()
    return np.asarray(column.fill_null(np.nan))


def test_a_good_model_is_published_with_what_it_did_on_the_held_out_days() -> None:
    found = evaluate(PEOPLE)
    purchases, amounts = of(found, "bg_nbd"), of(found, "gamma_gamma")

    assert status(purchases) == status(amounts) == ("published", None)
    true_ones = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
    for name, value in true_ones.items():
        assert purchases[name]["lower_bound"] < value < purchases[name]["upper_bound"]
    held_out = floats(PEOPLE, "held_out_count")
    actual = purchases["held_out_purchases_actual"]
    assert actual["value"] == np.nansum(held_out)
    assert actual["n"] == np.isfinite(floats(PEOPLE, "trained_days")).sum()
    error = purchases["held_out_purchases_error_pct"]
    expected = purchases["held_out_purchases_expected"]["value"]
    assert error["value"] == pytest.approx(100 * (expected / actual["value"] - 1))
    assert error["lower_bound"] < 0 < error["upper_bound"]
    assert error["limit_value"] == 20
    assert abs(amounts["held_out_revenue_error_pct"]["value"]) < 10
    assert abs(amounts["correlation"]["value"]) < 0.1
    windows = {row["window_start"].isoformat() for row in purchases.values()}
    assert windows == {"2022-01-01", "2023-07-03"}
    assert error["window_start"].isoformat() == "2023-07-03"


def test_the_answer_does_not_depend_on_the_order_of_the_rows() -> None:
    other = PEOPLE.take(np.random.default_rng(1).permutation(len(PEOPLE)))
    evaluations = evaluate(PEOPLE)

    assert evaluate(other).equals(evaluations)
    assert (
        predict(other, evaluations)
        .sort_by("customer_id")
        .equals(predict(PEOPLE, evaluations).sort_by("customer_id"))
    )


def test_held_out_days_are_foretold_by_what_was_known_before_them() -> None:
    known = PEOPLE.filter(pc.is_valid(PEOPLE["trained_days"]))
    x, days, age, amount, came = (
        floats(known, name)
        for name in (
            *("trained_repeat_count", "trained_first_to_last_days", "trained_days"),
            *("trained_repeat_amount", "held_out_count"),
        )
    )
    seen = x, days / 7, age / 7
    lives = lifetime_purchases.fit_purchases(*seen).parameters
    purchases = lifetime_purchases.expected_purchases(
        lifetime_purchases.Parameters(*lives), *seen, [26]
    ).sum()
    mean = np.divide(amount, x, out=np.zeros(len(x)), where=x > 0)
    prices = lifetime_amounts.fit_amounts(x[x > 0], mean[x > 0]).parameters
    revenue = came * lifetime_amounts.expected_amount(
        lifetime_amounts.Parameters(*prices), x, mean
    )
    found = evaluate(PEOPLE)

    assert of(found, "bg_nbd")["held_out_purchases_expected"]["value"] == (
        pytest.approx(purchases)
    )
    assert of(found, "gamma_gamma")["held_out_revenue_expected"]["value"] == (
        pytest.approx(revenue.sum())
    )


def test_a_model_that_is_off_on_the_held_out_days_foretells_nothing() -> None:
    fewer = changed(
        PEOPLE,
        held_out_count=pc.multiply(PEOPLE["held_out_count"], 0.5),
        held_out_amount=pc.multiply(PEOPLE["held_out_amount"], 0.5),
    )
    evaluations = evaluate(fewer)
    found, reason = status(of(evaluations, "bg_nbd"))

    assert found == "refused"
    assert str(reason).startswith("purchases on the days held out: 1,")
    assert str(reason).endswith(" %; allowed are 20 %")
    # Amounts are judged by the purchases that were made: half as many, half the money.
    assert status(of(evaluations, "gamma_gamma")) == ("published", None)
    predictions = predict(fewer, evaluations)
    for name in predictions.column_names[1:-1]:
        assert predictions[name].null_count == len(PEOPLE), name
    assert predictions["expected_amount"].null_count == 0

    dearer = changed(PEOPLE, held_out_amount=pc.multiply(PEOPLE["held_out_amount"], 2))
    found, reason = status(of(evaluate(dearer), "gamma_gamma"))
    assert found == "refused"
    assert str(reason).startswith("revenue on the days held out: ")


def test_too_few_who_bought_again_now_or_then_are_refused_with_their_number() -> None:
    few = PEOPLE.slice(0, 150)
    young = changed(
        PEOPLE, trained_repeat_count=pa.array(np.zeros(len(PEOPLE), dtype=int))
    )
    silent = changed(
        PEOPLE,
        held_out_count=pa.array(np.zeros(len(PEOPLE))),
        held_out_amount=pa.array(np.zeros(len(PEOPLE))),
    )

    repeats = (floats(few, "repeat_count") > 0).sum()
    for model in ("bg_nbd", "gamma_gamma"):
        rows = of(evaluate(few), model)
        assert list(rows) == ["repeat_buyers"]
        assert rows["repeat_buyers"]["value"] == repeats
        assert (
            status(rows)[1] == f"{repeats} customers had bought again, 100 are required"
        )
        assert status(of(evaluate(young), model))[1] == (
            "before the days held out, 0 customers had bought again, 100 are required"
        )
        assert "none to compare with" in str(status(of(evaluate(silent), model))[1])


def test_each_population_is_fitted_for_itself() -> None:
    """One of them alone gives the same as beside another, of other habits."""
    other = histories(simulated(3000, 6, lives=(2, 8, 0.9, 9), money=(4, 6, 200)))
    other = changed(other, population=pa.array(["earlier"] * len(other)))
    both = pa.concat_tables([PEOPLE, other])
    evaluations = evaluate(both)

    assert {
        status(of(evaluations, model, population))[0]
        for model in ("bg_nbd", "gamma_gamma")
        for population in ("new", "earlier")
    } == {"published"}
    for table in (PEOPLE, other):
        (population,) = pc.unique(table["population"]).to_pylist()
        alone = evaluate(table)
        assert of(evaluations, "bg_nbd", population) == of(alone, "bg_nbd", population)
        together = predict(both, evaluations).slice(
            0 if table is other else len(other), len(table)
        )
        assert together.combine_chunks() == predict(table, alone).combine_chunks()


def test_value_discounts_the_purchases_of_each_month() -> None:
    evaluations = evaluate(PEOPLE)
    found = predict(PEOPLE, evaluations, 2.5).slice(0, 40).to_pydict()
    fitted = of(evaluations, "bg_nbd")
    parameters = lifetime_purchases.Parameters(
        *(fitted[name]["value"] for name in lifetime_purchases.NAMES)
    )
    x, t_x, t = (
        floats(PEOPLE, name)[:40] / unit
        for name, unit in (
            ("repeat_count", 1),
            ("first_to_last_days", 7),
            ("days_since_first_order", 7),
        )
    )
    month = 365.25 / 12 / 7
    until = [np.zeros(40)] + [
        lifetime_purchases.expected_purchases(parameters, x, t_x, t, [month * k])[:, 0]
        for k in range(1, 13)
    ]
    for horizon in (3, 6, 12):
        assert found[f"expected_purchases_{horizon}_months"] == pytest.approx(
            until[horizon]
        )
        assert found[f"discounted_purchases_{horizon}_months"] == pytest.approx(
            sum((until[k] - until[k - 1]) / 1.025**k for k in range(1, horizon + 1))
        )


def test_whose_repeats_brought_nothing_has_no_amount_and_one_time_buyers_the_mean() -> (
    None
):
    x = floats(PEOPLE, "repeat_count")
    at = int(np.flatnonzero(x > 0)[0])
    amounts = floats(PEOPLE, "repeat_amount").copy()
    amounts[at] = -5
    spoilt = changed(PEOPLE, repeat_amount=pa.array(amounts))
    evaluations = evaluate(spoilt)
    predicted = predict(spoilt, evaluations)
    money = of(evaluations, "gamma_gamma")

    assert money["repeat_buyers"]["value"] == (x > 0).sum() - 1
    assert predicted["expected_amount"].null_count == 1
    assert predicted["expected_amount"][at].as_py() is None
    assert predicted["alive_probability"].null_count == 0
    once = predicted.filter(pa.array(x == 0))["expected_amount"]
    p, q, v = (money[name]["value"] for name in ("p", "q", "v"))
    assert pc.unique(once).to_pylist() == [pytest.approx(p * v / (q - 1))]


def test_nobody_gives_no_row() -> None:
    nobody = PEOPLE.slice(0, 0)
    assert len(evaluate(nobody)) == 0
    assert len(predict(nobody, evaluate(nobody))) == 0
