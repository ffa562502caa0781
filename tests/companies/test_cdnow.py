"""CDNOW on-boarded as a company: its marts give the published results.

The company delivers all 78 weeks; the marts are made as of a day in between, and know
nothing of what comes later.
"""

import datetime as dt
import hashlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml

from kith.admit.table import admit_table
from kith.build.dbt import dbt
from kith.build.warehouse import prepare_warehouse
from kith.models.lifetime_values import evaluate, predict
from kith.pull.table import pull_table
from kith.runs.run import Run
from tests.conftest import new_run
from tests.models.lifetimes import CALIBRATED_TO, cdnow, cdnow_histories, cdnow_summary

DAYS = [CALIBRATED_TO, dt.date(1998, 3, 31)]
PREDICTED = [
    "alive_probability",
    "expected_purchases_3_months",
    "expected_purchases_6_months",
    "expected_purchases_12_months",
]
COMPANY = {
    "name": "cdnow",
    "title": "CDNOW",
    "time_zone": "UTC",
    "currency": "USD",
    "first_day": dt.date(1997, 1, 1),
    "last_day": dt.date(1998, 6, 30),
    "feeds": {"orders": ["stg_cdnow__orders"]},
}
SOURCES = {
    "sources": [
        {
            "name": "cdnow",
            "tables": [
                {
                    "name": "purchases",
                    "config": {"meta": {"connector": "files", "path": "purchases.csv"}},
                    "columns": [
                        {"name": "customer_number", "data_type": "varchar"},
                        {"name": "bought_on", "data_type": "date"},
                        {"name": "amount", "data_type": "decimal(18,2)"},
                    ],
                }
            ],
        }
    ]
}
STAGING = """
select
    'cdnow' as source,
    customer_number || '/' || cast(bought_on as string) as order_id,
    'customer_number' as identifier_type,
    customer_number as identifier_value,
    cast(bought_on as timestamp) as ordered_at,
    sum(amount) as order_amount,
    max(loaded_at) as loaded_at
from {{ source('cdnow', 'purchases') }}
group by customer_number, bought_on
"""


def customer_id(number: int) -> str:
    return hashlib.md5(f"customer_number:{number}".encode()).hexdigest()  # noqa: S324


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a user would write."""
    folder = tmp_path_factory.mktemp("cdnow")
    rows = [
        f"{customer},{day},{amount:.2f}"
        for customer, paid in cdnow().items()
        for day, amount in paid.items()
    ]
    lines = ["customer_number,bought_on,amount", *rows, ""]
    (folder / "purchases.csv").write_text("\n".join(lines))
    (folder / "company.yml").write_text(yaml.safe_dump(COMPANY))
    (folder / "sources.yml").write_text(yaml.safe_dump(SOURCES))
    (folder / "staging").mkdir()
    (folder / "staging" / "stg_cdnow__orders.sql").write_text(STAGING)
    return folder


@pytest.fixture(scope="module")
def run(company: Path) -> Iterator[Run]:
    """All that the lifetimes need, built as of the day of the published results."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KITH_HOME", str(company / "home"))
        run = new_run(company, "1997-01-01", CALIBRATED_TO.isoformat())
        pull_table(run, "cdnow.purchases")
        admit_table(run, "cdnow.purchases")
        run.warehouse.parent.mkdir(parents=True, exist_ok=True)
        prepare_warehouse(run)
        marts = ("+customer_lifetime_values", "+model_evaluations")
        no_tests = ("resource_type:test", "resource_type:unit_test")
        dbt(run, "build", "--select", *marts, "--exclude", *no_tests)
        yield run


@pytest.fixture(scope="module")
def marts(run: Run) -> Callable[[dt.date], tuple[pd.DataFrame, ...]]:
    """customer_lifetime_values and model_evaluations as of a day."""

    @cache
    def built(last: dt.date) -> tuple[pd.DataFrame, ...]:
        if last != CALIBRATED_TO:
            with duckdb.connect(str(run.warehouse)) as warehouse:
                warehouse.execute(
                    "update kith.run set as_of_date = ?, as_of_at = ?",
                    [last, last + dt.timedelta(1)],
                )
            models = ["feed_orders", "orders", "customer_values"]
            lifetimes = ["intermediate.lifetimes", "customer_lifetime_values"]
            dbt(run, "run", "--select", *models, *lifetimes, "model_evaluations")
        with duckdb.connect(str(run.warehouse), read_only=True) as warehouse:
            return (
                warehouse.sql("from customer.customer_lifetime_values").df(),
                warehouse.sql(
                    "from segment.model_evaluations "
                    "where model in ('bg_nbd', 'gamma_gamma')"
                ).df(),
            )

    return built


def histories(last: dt.date) -> pa.Table:
    """What the models read, from nothing but the purchases until that day."""
    first = min(day for paid in cdnow().values() for day in paid)
    held_out_days = min(365, (last - first).days // 3)
    before = last - dt.timedelta(held_out_days)
    now, then = cdnow_histories(last), cdnow_histories(before)
    columns = {"customer_id": [customer_id(number) for number in sorted(cdnow())]}
    for prefix, (x, t_x, t, mean), age in (
        ("", now, "days_since_first_order"),
        ("trained_", then, "trained_days"),
    ):
        columns |= {
            f"{prefix}repeat_count": x,
            f"{prefix}first_to_last_days": 7 * t_x,
            age: 7 * t,
            f"{prefix}repeat_amount": np.nan_to_num(x * mean),
        }
    revenue = columns["repeat_amount"] - columns["trained_repeat_amount"]
    count = len(revenue)
    return pa.table(
        columns
        | {
            "population": ["new"] * count,
            "held_out_count": now[0] - then[0],
            "held_out_amount": revenue,
            "window_start": [first] * count,
            "held_out_start": [before + dt.timedelta(1)] * count,
            "window_end": [last] * count,
        }
    )


def test_frequency_recency_and_age_are_the_published_ones(marts) -> None:
    values, _ = marts(CALIBRATED_TO)
    values = values.set_index("customer_id")
    found = values.loc[[customer_id(number) for number in sorted(cdnow())]]

    assert len(values) == len(found) == 2_357
    assert (
        list(
            zip(
                found["repeat_count"],
                (found["first_to_last_days"] / 7).round(2),
                (found["days_since_first_order"] / 7).round(2),
                strict=True,
            )
        )
        == cdnow_summary()
    )


def test_parameters_and_predictions_are_the_published_ones(marts) -> None:
    values, evaluations = marts(CALIBRATED_TO)
    found = evaluations.set_index(["model", "metric"])["value"]

    assert set(evaluations["status"]) == {"published"}
    for model, published in {
        "bg_nbd": {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426},
        "gamma_gamma": {"p": 6.25, "q": 3.74, "v": 15.44, "repeat_buyers": 946},
    }.items():
        for metric, value in published.items():
            assert found[model, metric] == pytest.approx(value, rel=0.005), metric
    assert round(found["bg_nbd", "log_likelihood"], 2) == -9582.43
    assert round(found["gamma_gamma", "correlation"], 3) == 0.114
    values = values.set_index("customer_id")
    assert values["missing_reason"].isna().all()
    assert set(values["margin_pct"]) == {100}
    # x = 2, t_x = 30.43, T = 38.86, m = 22.35; and one repeat of 11.77.
    first = values.loc[customer_id(1)]
    assert first["alive_probability"] == pytest.approx(0.7266, abs=0.0005)
    assert float(first["average_repeat_amount"]) == 22.35
    assert float(first["expected_purchase_amount"]) == pytest.approx(24.66, abs=0.02)
    other = values[
        (values["repeat_count"] == 1)
        & (values["average_repeat_amount"].astype(float) == 11.77)
    ]
    assert [float(amount) for amount in other["expected_purchase_amount"]] == [
        pytest.approx(18.92, abs=0.02)
    ] * len(other)
    assert len(other) > 0


@pytest.mark.parametrize("last", DAYS, ids=str)
def test_no_mart_knows_what_was_bought_later(marts, last: dt.date) -> None:
    """The same as from purchases that were cut on that day, with no pipeline."""
    values, evaluations = marts(last)
    known = histories(last)
    judged = evaluate(known)
    expected = judged.to_pandas().set_index(["model", "metric"]).sort_index()
    foretold = predict(known, judged, 1).to_pandas().set_index("customer_id")
    evaluations = evaluations.set_index(["model", "metric"]).sort_index()
    values = values.set_index("customer_id").loc[foretold.index]

    assert list(evaluations.index) == list(expected.index)
    for name in ("value", "lower_bound", "upper_bound"):
        assert evaluations[name].to_numpy() == pytest.approx(
            expected[name].to_numpy(), rel=1e-6, nan_ok=True
        )
    for name in PREDICTED:
        assert values[name].to_numpy() == pytest.approx(
            foretold[name].to_numpy(), rel=1e-6
        )
    for months in (3, 6, 12):
        worth = foretold[f"discounted_purchases_{months}_months"]
        assert values[f"value_{months}_months_amount"].astype(float).to_numpy() == (
            pytest.approx((worth * foretold["expected_amount"]).to_numpy(), abs=0.0051)
        )
