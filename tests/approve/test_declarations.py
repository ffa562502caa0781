"""Each mart with a period says what of it is compared, or why nothing is."""

import functools
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from kith.approve.declarations import Comparison, comparisons, of_meta
from kith.runs.run import Run
from kith.settings import REPOSITORY

MARTS = REPOSITORY / "dbt_project" / "models" / "marts"
_PERIOD = re.compile(
    r"(^|_)(month|day|date)$|^(period_start|cohort_start|state_on|judged_on)$"
)
# Of one thing, not of a period.
_OF_A_THING = re.compile(r"^(as_of|birth|first|last)_|_since_|_due_")


@functools.cache
def declared() -> dict[str, dict[str, Any]]:
    found = {}
    for path in sorted(MARTS.rglob("*.yml")):
        (model,) = yaml.safe_load(path.read_text())["models"]
        found[f"{path.parent.name}.{path.stem}"] = model
    return found


def has_period(model: dict[str, Any]) -> bool:
    return any(
        column["data_type"] == "date"
        and _PERIOD.search(column["name"])
        and not _OF_A_THING.search(column["name"])
        for column in model["columns"]
    )


@pytest.mark.parametrize("mart", declared())
def test_a_mart_with_a_period_declares_what_is_compared(mart: str) -> None:
    model = declared()[mart]
    meta = model.get("config", {}).get("meta", {})
    if not has_period(model):
        assert "restatements" not in meta, "has no period of which the test knows"
        return
    assert "restatements" in meta, (
        "say in config.meta.restatements which numbers are compared, or "
        "'not compared, because …'"
    )
    of_meta(meta["restatements"])


def test_marts_that_people_quote_are_compared() -> None:
    compared = {
        mart
        for mart, model in declared().items()
        if of_meta(model.get("config", {}).get("meta", {}).get("restatements") or [])
    }
    assert compared >= {
        *("customer.orders", "customer.customer_months", "customer.portraits"),
        *("customer.campaign_results", "customer.leads", "segment.cohorts"),
        *("satisfaction.satisfaction_scores", "satisfaction.complaints"),
    }


def test_declarations_are_those_that_dbt_has_read(candidate: Run) -> None:
    found = comparisons(candidate)
    assert found == {
        mart: of_meta(model["config"]["meta"]["restatements"])
        for mart, model in declared().items()
        if "restatements" in model.get("config", {}).get("meta", {})
    }


def test_each_comparison_can_be_computed_and_its_rows_are_one_per_period(
    candidate: Run,
) -> None:
    with duckdb.connect(str(candidate.warehouse), read_only=True) as warehouse:
        for mart, declarations in comparisons(candidate).items():
            for each in declarations:
                query = each.sql(mart, list(each.aggregates))
                found = warehouse.sql(query)
                assert found.columns[:3] == [
                    "period_grain",
                    "period_start",
                    "period_end",
                ]
                kinds = dict(zip(found.columns, map(str, found.types), strict=True))
                for measure in each.aggregates:
                    assert re.match(r"BIGINT|HUGEINT|DECIMAL|DOUBLE", kinds[measure]), (
                        f"{mart}.{measure}: {kinds[measure]} is no number"
                    )
                # Who may not be told apart by name stands in no dimension.
                assert not {"customer_id", "employee_id"} & set(each.by)
                if isinstance(each.measures, list):
                    grains = {"day", "month", "quarter", "year", None}
                    key = [each.period, *each.by]
                    key += [] if each.grain in grains else [str(each.grain)]
                    repeated = warehouse.sql(
                        f"select 1 from {mart} where {each.where or True} "
                        f"group by {', '.join(key)} having count(*) > 1"
                    ).fetchall()
                    assert repeated == [], f"{mart}: max() would choose one of its rows"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("nobody asked", "not compared, because"),
        ([{"period": "month", "measures": ["n"]}], "either grain or end"),
        (
            [{"period": "month", "grain": "month", "end": "x", "measures": ["n"]}],
            "either grain or end",
        ),
        ([{"period": "month", "grain": "month", "measures": []}], "at least one"),
        (
            [{"period": "m", "grain": "month", "measures": ["score"], "n": "n"}],
            "one of the measures",
        ),
        ([{"period": "m", "grain": "month", "measure": ["n"]}], "measures"),
    ],
)
def test_a_wrong_declaration_is_refused(wrong: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        of_meta(wrong)


def test_a_period_ends_with_its_last_day() -> None:
    ends = {}
    with duckdb.connect() as connection:
        connection.execute(
            "create table numbers as select * from (values "
            "('month', date '2024-02-01', 1), ('quarter', date '2024-01-01', 2), "
            "('year', date '2024-01-01', 3), ('all', date '2024-01-01', 4)"
            ") as rows (grain, began, n)"
        )
        each = Comparison(period="began", grain="grain", measures=["n"])
        for grain, _, end, number in connection.execute(
            each.sql("numbers", ["n"])
        ).fetchall():
            ends[grain, number] = str(end)
    assert ends == {
        ("month", 1): "2024-02-29",
        ("quarter", 2): "2024-03-31",
        ("year", 3): "2024-12-31",
    }


def test_a_day_within_a_month_belongs_to_it() -> None:
    with duckdb.connect() as connection:
        connection.execute(
            "create table orders as from (values (date '2024-02-03'), "
            "(date '2024-02-29'), (date '2024-03-01'), (null)) as rows (day)"
        )
        each = Comparison(period="day", grain="month", measures={"rows": "count(*)"})
        found = connection.execute(each.sql("orders", ["rows"])).fetchall()
    assert sorted((str(start), rows) for _, start, _, rows in found) == [
        ("2024-02-01", 2),
        ("2024-03-01", 1),
    ]


def test_the_declarations_lie_beside_the_models() -> None:
    assert {Path(f"{mart.replace('.', '/')}.sql") for mart in declared()} == {
        path.relative_to(MARTS) for path in MARTS.rglob("*.sql")
    }
