import json
from pathlib import Path
from typing import Any

import pytest

from kith.catalogue.metrics import SEMANTIC_MANIFEST, Metrics
from kith.dashboards.contents import Contents
from kith.dashboards.metrics import metrics_by_mart
from kith.database import connect

# Complaints and orders are of two marts.
OF_SEVERAL_MARTS = {"complaint_rate"}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="module")
def planned(release: Path, scratch: Path) -> Metrics:
    return Metrics(release, scratch)


def test_every_metric_of_one_mart_is_there(
    contents: Contents, planned: Metrics
) -> None:
    found = [name for known in contents.metrics.values() for name in known.metrics]
    assert sorted([*found, *OF_SEVERAL_MARTS]) == planned.names


def test_a_metric_is_what_metricflow_computes(
    contents: Contents, planned: Metrics, release: Path, scratch: Path
) -> None:
    """Over the whole time, in the groups by which it is always told."""
    told = 0
    with connect(release / "kith.duckdb", scratch=scratch, read_only=True) as database:
        for mart, known in contents.metrics.items():
            for name, metric in known.metrics.items():
                columns = ", ".join([*metric.always_by, metric.sql])
                query = f"select {columns} from {mart} group by "
                query += ", ".join(metric.always_by) or "()"
                rows = database.execute(query).fetchall()
                _, wanted = planned.table(name, [])
                same = _comparable(rows)
                assert same == _comparable(wanted), name
                told += bool(same)
    assert told > 30


def _comparable(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows in order, numbers as numbers; groups of which nothing is known left out."""
    known = [row for row in rows if row[-1] is not None and float(row[-1]) != 0]
    return sorted(
        (*map(str, row[:-1]), pytest.approx(float(row[-1])))  # type: ignore[misc]
        for row in known
    )


def manifest(release: Path) -> dict[str, Any]:
    path = release / "metadata" / SEMANTIC_MANIFEST
    return dict(json.loads(path.read_text()))


def test_parts_are_put_in_parentheses(release: Path) -> None:
    found = metrics_by_mart(manifest(release))["customer.orders"]
    assert found.time == "order_date"
    average = found.metrics["average_order"].sql
    orders = "(sum(case when is_purchase then 1 else 0 end))"
    assert average == f"(sum(gross_amount)) / nullif({orders}, 0)"
    scores = metrics_by_mart(manifest(release))["satisfaction.satisfaction_scores"]
    assert scores.metrics["nps"].always_by == ("survey", "question")


@pytest.mark.parametrize(
    "change",
    [
        {"filter": {"where_filters": []}},
        {"type": "cumulative"},
        {"type_params": {"measure": {"name": "revenue", "filter": "x"}}},
    ],
)
def test_what_cannot_be_said_over_one_table_is_left_out(
    release: Path, change: dict[str, Any]
) -> None:
    semantic = manifest(release)
    (metric,) = (each for each in semantic["metrics"] if each["name"] == "revenue")
    metric.update(change)
    found = metrics_by_mart(semantic)["customer.orders"].metrics
    assert "revenue" not in found
    assert "gross_revenue" in found
