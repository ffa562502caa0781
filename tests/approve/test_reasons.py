"""Why a number has changed: deliveries, definitions and erasures tell."""

import datetime as dt
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from kith.approve import reasons
from kith.approve.reasons import SUPPRESSED, Reasons, definitions, erased_since
from kith.publish.release import publish
from kith.runs.run import Run
from tests.publish.test_release import permit, without_page_and_metadata

MARCH = (dt.date(2024, 3, 1), dt.date(2024, 3, 31))
MAY = (dt.date(2024, 5, 1), dt.date(2024, 5, 31))
ORDERS, LINES = "shop.orders", "shop.order_lines"


@pytest.fixture
def run(
    candidate: Run,
    built_shop: Run,
    few_marts: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """A run that has published; what was delivered to it lies beside it."""
    for name in ("admitted", "raw"):
        shutil.copytree(
            built_shop.folder / name,
            candidate.folder / name,
            ignore=shutil.ignore_patterns("data*.parquet", "[0-9]*.parquet", ".*"),
            dirs_exist_ok=True,
        )
    without_page_and_metadata(monkeypatch)
    shutil.copy(few_marts, candidate.warehouse)
    permit(candidate)
    publish(candidate)
    return candidate


def reason(run: Run, mart: str, period: tuple[dt.date, dt.date]) -> str:
    release = (run.published / "current").resolve()
    manifest = json.loads((release / "manifest.json").read_text())
    return Reasons(run, release, manifest).of(mart, *period)


def count_more(run: Run, table: str, day: str, rows: int) -> None:
    """As the build would tell it after another delivery."""
    with duckdb.connect(str(run.warehouse)) as warehouse:
        warehouse.execute(
            "update operations.source_deliveries set row_count = row_count + ? "
            "where source_name || '.' || table_name = ? and day = ?",
            [rows, table, day],
        )


def pull_again(run: Run, table: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Admit another attempt of the year, whose raw manifest is changed."""
    (report,) = run.admitted(table).glob("*/report.json")
    told = json.loads(report.read_text())
    folder = run.raw(table) / report.parent.name
    manifest = json.loads((folder / told["attempt"] / "manifest.json").read_text())
    change(manifest)
    told["attempt"] = "29990101T000000000000"
    (folder / told["attempt"]).mkdir()
    (folder / told["attempt"] / "manifest.json").write_text(json.dumps(manifest))
    report.write_text(json.dumps(told))


def other_content(manifest: dict[str, Any]) -> None:
    manifest["files"][0]["sha256"] = "other"


def test_a_day_of_which_more_rows_count_has_late_data(run: Run) -> None:
    count_more(run, ORDERS, "2024-03-09", 1)
    pull_again(run, ORDERS, other_content)
    assert reason(run, "customer.orders", MARCH) == "late data"
    # A mart of which these orders are no part.
    assert reason(run, "customer.lead_stages", MARCH) == "unknown"


def test_fewer_rows_or_others_in_their_place_are_a_correction(run: Run) -> None:
    pull_again(run, ORDERS, other_content)
    count_more(run, ORDERS, "2024-03-09", -1)
    assert reason(run, "customer.orders", MARCH) == "correction"
    assert reason(run, "customer.orders", MAY) == "correction"


def test_of_two_tables_each_tells_its_own(run: Run) -> None:
    count_more(run, ORDERS, "2024-03-09", 1)
    count_more(run, LINES, "2024-03-20", -2)
    assert reason(run, "customer.orders", MARCH) == "late data, correction"


def test_the_same_rows_pulled_again_are_no_reason(run: Run) -> None:
    pull_again(run, ORDERS, lambda manifest: None)
    assert reason(run, "customer.orders", MARCH) == "unknown"


def test_rows_of_other_days_may_change_a_period_too(run: Run) -> None:
    count_more(run, ORDERS, "2024-05-09", 1)
    assert reason(run, "customer.orders", MARCH) == "late data"


def test_new_days_are_the_reason_where_nothing_else_came(run: Run) -> None:
    (year,) = run.admitted(ORDERS).glob("*/report.json")
    day = year.parent.parent / "20250101-20250101"
    day.mkdir()
    report = json.loads(year.read_text()) | {
        "interval": day.name,
        "window": day.name,
        "attempt": "29990101T000000000000",
        "delivered_at": "2999-01-01T00:00:00.000000",
    }
    (day / "report.json").write_text(json.dumps(report))
    assert reason(run, "customer.orders", MARCH) == "late data"
    assert reason(run, "customer.lead_stages", MARCH) == "unknown"


def test_a_table_delivered_whole_tells_that_it_has_changed(run: Run) -> None:
    pull_again(run, "shop.customers", other_content)
    assert reason(run, "customer.portraits", MARCH) == "correction"


def test_a_definition_is_the_reason_of_what_follows_from_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = definitions(run)
    edited = {**now, "models": {**now["models"], "orders": "edited"}}
    monkeypatch.setattr(reasons, "definitions", lambda run: edited)
    assert reason(run, "customer.orders", MARCH) == "definition"
    assert reason(run, "customer.customer_months", MARCH) == "definition"
    assert reason(run, "customer.lead_stages", MARCH) == "unknown"
    count_more(run, ORDERS, "2024-03-09", 1)
    assert reason(run, "customer.orders", MARCH) == "late data, definition"
    for part in ("shared", "company"):
        monkeypatch.setattr(
            reasons, "definitions", lambda run, part=part: {**now, part: "edited"}
        )
        assert reason(run, "customer.lead_stages", MARCH) == "definition"


def test_definitions_are_what_decides_numbers(run: Run, tmp_path: Path) -> None:
    release = (run.published / "current").resolve()
    manifest = json.loads((release / "manifest.json").read_text())
    assert manifest["definitions"] == definitions(run)
    assert "orders" in manifest["definitions"]["models"]
    assert "stg_shop__orders" in manifest["definitions"]["models"]

    def declaring(**update: Any) -> dict[str, Any]:
        company = run.company.model_copy(update=update)
        return definitions(Run(company, run.interval, run.run_id, run.home))

    assert declaring(title="The same by another name") == definitions(run)
    assert declaring(rfm_window_days=30)["company"] != definitions(run)["company"]


def erase(run: Run, *times: str) -> None:
    entries = [{"suppressed_at": at} for at in times]
    (run.folder / SUPPRESSED).write_text(json.dumps({"entries": entries}))


def suppress(run: Run, table: str, **days: int) -> None:
    """As `make erase` leaves the report of the year; `days` are as `d20240309=2`."""
    (report,) = run.admitted(table).glob("*/report.json")
    told = json.loads(report.read_text())
    told["suppressed_days"] = {
        f"{dt.date.fromisoformat(day[1:])}": rows for day, rows in days.items()
    }
    report.write_text(json.dumps(told))


def test_who_was_erased_is_the_reason_of_what_nothing_else_explains(run: Run) -> None:
    erase(run, "2001-01-01T00:00:00")
    assert reason(run, "customer.orders", MARCH) == "unknown"
    erase(run, "2001-01-01T00:00:00", "2998-01-01T00:00:00Z")
    assert reason(run, "customer.orders", MARCH) == "erasure"
    assert not erased_since(run.folder, dt.datetime(2999, 1, 1, tzinfo=dt.UTC))
    count_more(run, ORDERS, "2024-03-09", 1)
    # Nobody's order has gone.
    assert reason(run, "customer.orders", MARCH) == "late data"


def test_rows_of_who_was_erased_are_no_correction(run: Run) -> None:
    erase(run, "2998-01-01T00:00:00Z")
    suppress(run, ORDERS, d20240309=2)
    # One of the two had been refused, or was a duplicate of the other.
    count_more(run, ORDERS, "2024-03-09", -1)
    path = run.published / "current" / "kith.duckdb"
    path.chmod(0o644)
    with duckdb.connect(str(path)) as release:
        release.execute(
            "update operations.source_deliveries "
            "set quarantined_count = quarantined_count + 1 "
            "where table_name = 'orders' and day = '2024-03-09'"
        )
    assert reason(run, "customer.orders", MARCH) == "erasure"
    # Of other days only where nothing is told of its own.
    assert reason(run, "customer.orders", MAY) == "erasure"
    count_more(run, ORDERS, "2024-05-02", -1)
    assert reason(run, "customer.orders", MAY) == "correction"


def test_late_data_stay_late_data_beside_an_erasure(run: Run) -> None:
    erase(run, "2998-01-01T00:00:00Z")
    suppress(run, ORDERS, d20240309=2)
    count_more(run, ORDERS, "2024-03-09", -2 + 1)
    assert reason(run, "customer.orders", MARCH) == "late data, erasure"


def test_rows_that_came_late_are_no_correction_of_the_other_days(run: Run) -> None:
    """After an erasure numbers of all days change that are pulled again."""
    erase(run, "2998-01-01T00:00:00Z")
    suppress(run, ORDERS, d20240502=1)
    count_more(run, ORDERS, "2024-05-02", -1)
    (report,) = run.admitted(ORDERS).glob("*/report.json")
    folder = run.raw(ORDERS) / report.parent.name
    former = folder / json.loads(report.read_text())["attempt"]
    pull_again(run, ORDERS, other_content)
    later = folder / json.loads(report.read_text())["attempt"]
    (stored,) = [
        file["stored"]
        for file in json.loads((later / "manifest.json").read_text())["files"]
    ]
    for path, orders in (
        (former, "(1, 'a'), (2, 'b')"),
        (later, "(2, 'b'), (3, 'c'), (1, 'a')"),
    ):
        duckdb.sql(f"from (values {orders}) t (id, city)").write_parquet(
            str(path / stored)
        )
    assert reason(run, "customer.orders", MAY) == "erasure"
    duckdb.sql("from (values (1, 'a'), (2, 'c')) t (id, city)").write_parquet(
        str(later / stored)
    )
    assert reason(run, "customer.orders", MAY) == "correction, erasure"


def test_an_erasure_is_told_once(run: Run) -> None:
    """Rows that were suppressed before the release changed nothing since."""
    suppress(run, ORDERS, d20240309=2)
    publish(run)
    erase(run, "2998-01-01T00:00:00Z")
    suppress(run, ORDERS, d20240309=2, d20240310=1)
    count_more(run, ORDERS, "2024-03-10", -1)
    count_more(run, ORDERS, "2024-03-09", -1)
    assert reason(run, "customer.orders", MARCH) == "correction, erasure"
    # Nothing of what comes again of who was erased before ever counted.
    erase(run, "2001-01-01T00:00:00Z")
    count_more(run, ORDERS, "2024-03-10", 1)
    assert reason(run, "customer.orders", MARCH) == "correction"


def test_of_a_table_delivered_whole_an_erasure_has_no_day(run: Run) -> None:
    erase(run, "2998-01-01T00:00:00Z")
    suppress(run, "shop.customers", d20241231=1)
    count_more(run, ORDERS, "2024-03-09", 1)
    assert reason(run, "customer.orders", MARCH) == "late data, erasure"
    # A new delivery of it, from which nothing but their rows is gone.
    pull_again(run, "shop.customers", other_content)
    assert reason(run, "customer.orders", MAY) == "erasure"


def test_a_release_of_an_earlier_version_tells_no_definitions(run: Run) -> None:
    release = (run.published / "current").resolve()
    manifest = json.loads((release / "manifest.json").read_text())
    del manifest["definitions"]
    assert Reasons(run, release, manifest).of("customer.orders", *MARCH) == "unknown"
