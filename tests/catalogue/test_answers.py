"""What `make metric` and `make lineage` print."""

import json
from pathlib import Path

import pytest

from kith.catalogue.answers import list_metrics, tell_lineage, tell_metric
from kith.catalogue.lineage import TableLineage
from kith.catalogue.metrics import Metrics
from kith.catalogue.openlineage import events_of, write_events
from kith.errors import ConfigurationError
from kith.runs.run import Run
from tests.catalogue.test_metrics import ORACLES


@pytest.fixture
def state(release: Path, tmp_path: Path) -> Path:
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / "current").symlink_to(release)
    return tmp_path


def test_all_metrics_are_listed_with_definition_and_dimensions(state: Path) -> None:
    listed = list_metrics(state)
    for name in ORACLES:
        assert f"\n{name} — " in f"\n{listed}"
    assert "    100 * repeat buyers / buyers, over all history, per cent.\n" in listed
    assert "(always by survey, question)" in listed


def test_a_metric_is_told_as_a_table(state: Path) -> None:
    told = tell_metric(state, "orders", ["month"], None, None).splitlines()
    assert told[0] == "Orders: Purchases; neither cancelled orders nor returns."
    assert told[2].split() == ["month", "orders"]
    assert told[4].startswith("2024-01-01")
    assert len(told) == 16


@pytest.mark.parametrize(
    ("name", "by", "words"),
    [
        ("turnover", [], "NAME=turnover: no metric; there are active_customers, "),
        ("nps", ["city"], "BY=city: nps has no such dimension; it has month, "),
        ("retention", ["day"], "BY=day: retention has no such dimension"),
    ],
)
def test_what_is_not_there_is_told(
    state: Path, name: str, by: list[str], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        tell_metric(state, name, by, None, None)


def test_a_release_without_metrics_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="made by an earlier Kith"):
        Metrics(tmp_path, tmp_path)
    with pytest.raises(ConfigurationError, match="publish one first"):
        tell_metric(tmp_path, "revenue", [], None, None)


@pytest.fixture
def traced(built_shop: Run, lineage: dict[str, TableLineage], tmp_path: Path) -> Path:
    """A company's state with a release that has lineage."""
    release = tmp_path / "published" / "20240101T000000Z_abcdef"
    (release / "metadata").mkdir(parents=True)
    (release / "kith.duckdb").touch()
    (tmp_path / "published" / "current").symlink_to(release.name)
    events = events_of(built_shop, lineage, {})
    write_events(release / "metadata" / "openlineage.jsonl", events)
    return tmp_path


def test_make_lineage_tells_the_way_from_the_release(traced: Path) -> None:
    assert tell_lineage(traced, "customer.customers.city").splitlines() == [
        "customer.customers.city (computed)",
        "  intermediate.int_customer_records.city",
        "    feeds.customers.city (computed)",
        "      staging.stg_shop__customers.city",
        "        shop.customers.city (source)",
    ]
    assert tell_lineage(traced, "customer.leads.method") == (
        "customer.leads.method (constant)"
    )


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("", "expected schema, table and column"),
        ("city", "expected schema, table and column"),
        ("customers.city", "there are customer.customers, feeds.customers"),
        ("customer.customers.town", "has no column town; it has customer_id"),
    ],
)
def test_a_column_that_is_not_there_is_told(
    traced: Path, asked: str, words: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"COLUMN={asked}: ") as fault:
        tell_lineage(traced, asked)
    assert words in str(fault.value)


def test_a_release_of_before_is_told(traced: Path) -> None:
    (traced / "published" / "current" / "metadata" / "openlineage.jsonl").unlink()
    with pytest.raises(ConfigurationError, match="made by an earlier Kith"):
        tell_lineage(traced, "customer.customers.city")


def test_events_are_lines_of_json(traced: Path) -> None:
    path = traced / "published" / "current" / "metadata" / "openlineage.jsonl"
    events = [json.loads(line) for line in path.read_text().splitlines()]
    assert events[0]["eventType"] == "START"
    assert events[-1]["eventType"] == "COMPLETE"
