"""Rows before the company's first day, or after its last: counted, told, never lost."""

from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from kith.build.warehouse import prepare_warehouse
from kith.deliveries.raw import newest_attempt
from kith.runs.run import Run
from tests.one_table import COLUMNS, TABLE, company, deliver, report, run_door, sales

pytestmark = pytest.mark.usefixtures("kith_home")


def counted(run: Run) -> list[tuple[Any, ...]]:
    with run.writer_lock():
        prepare_warehouse(run)
    with duckdb.connect(str(run.warehouse), read_only=True) as warehouse:
        return warehouse.execute(
            "select day::varchar, outside_count from kith.admitted_days "
            "where outside_count > 0"
        ).fetchall()


def last_day(folder: Path, day: str) -> None:
    declared = yaml.safe_load((folder / "company.yml").read_text())
    (folder / "company.yml").write_text(yaml.safe_dump({**declared, "last_day": day}))


@pytest.mark.parametrize("kind", ["timestamp", "date"])
def test_rows_that_no_run_takes_are_counted_by_file_and_told(
    kind: str, tmp_path: Path
) -> None:
    columns = [dict(column) for column in COLUMNS]
    columns[1]["data_type"] = kind
    company(tmp_path, "data/*.csv", columns, time_zone="America/New_York")
    last_day(tmp_path, "2024-03-31")
    lines = [f"{line.split(' ')[0]} 00:00:00,1,1" for line in sales(100)]
    lines[:4] = [f"P{n},1970-01-01 00:00:00,1,1" for n in range(4)]
    lines += ["O,2023-11-01 00:00:00,1,1", "N,2024-04-02 00:00:00,1,1"]
    deliver(tmp_path, lines, "a.csv")
    deliver(tmp_path, ["Q,2023-12-01 00:00:00,1,1", "R,2024-03-09,1,1"], "b.csv")
    run = run_door(tmp_path, "2024-03-01", "2024-03-31")
    _, manifest = newest_attempt(run, TABLE)
    assert [file.unreached and file.unreached.rows for file in manifest.files] == [6, 1]
    assert manifest.rows_unreached == 7
    first, second = report(run)["warnings"]
    # Midnight of UTC is the day before in New York.
    is_date = kind == "date"
    days = "1970-01-01 to 2024-04-02" if is_date else "1969-12-31 to 2024-04-01"
    assert first == (
        f"shop.sales: data/a.csv: 6 rows of {days} lie outside of first_day 2024-01-01 "
        "to last_day 2024-03-31 in company.yml, so that no run takes them; 4 of them "
        "are of 1970-01-01, which looks like a placeholder for a day that is not "
        "known: have the source leave it empty; if they count, widen these days"
    )
    assert second.startswith("shop.sales: data/b.csv: 1 rows of 2023-1")
    assert " to " not in second.partition(" lie ")[0]
    assert second.endswith("no run takes them; if they count, widen these days")
    assert counted(run) == [("2024-03-31", 7)]


def test_rows_of_other_runs_are_not_outside(tmp_path: Path) -> None:
    deliver(company(tmp_path), ["A,2023-12-31 12:00,1,1", *sales(12)])
    run = run_door(tmp_path, "2024-03-02", "2024-03-02")
    assert counted(run) == [("2024-03-02", 1)]
    # A run that asks for such days takes them, and so they are outside no more.
    run_door(tmp_path, "2023-12-31", "2024-01-01")
    run = run_door(tmp_path, "2024-03-03", "2024-03-03")
    assert report(run)["warnings"] == []
    assert counted(run) == []


def test_days_that_the_look_back_of_the_first_one_takes_are_not_outside(
    tmp_path: Path,
) -> None:
    company(tmp_path, "data/sales_{date:%Y-%m-%d}.csv", look_back_days=4)
    lines = ["A,2023-12-31 12:00,1,1", "B,2023-12-28 12:00,1,1", "C,2024-01-04,1,1"]
    deliver(tmp_path, lines, name := "sales_2024-01-04.csv")
    run = run_door(tmp_path, "2024-01-05", "2024-01-05")
    assert (report(run)["warnings"], counted(run)) == ([], [])
    manifest = newest_attempt(run, TABLE)[1]
    assert (manifest.rows_before_interval, manifest.rows_out_of_window) == (1, 1)
    # Others count on the day of their file, and are not merely late.
    deliver(tmp_path, [*lines, "D,1899-12-30,1,1"], name)
    run = run_door(tmp_path, "2024-01-05", "2024-01-06")
    assert newest_attempt(run, TABLE)[1].rows_out_of_window == 1
    assert counted(run) == [("2024-01-04", 1)]
    assert "1 of them are of 1899-12-30, which looks" in report(run)["warnings"][0]
