import datetime as dt
from pathlib import Path

import pytest

from kith.admit.replay import replayed_intervals
from kith.runs.run import Run
from tests.conftest import new_run
from tests.one_table import COLUMNS, company, deliver, run_door, sales

pytestmark = pytest.mark.usefixtures("kith_home")


def awaiting(run: Run) -> list[str]:
    (table,) = run.company.sources
    return [interval.slug for interval in replayed_intervals(run, table)]


def march(folder: Path, first: int = 1, last: int = 31) -> Run:
    days = (dt.date(2024, 3, day).isoformat() for day in (first, last))
    return new_run(folder, *days)


def test_a_clean_delivery_awaits_no_other_verdict(tmp_path: Path) -> None:
    deliver(company(tmp_path), sales(8))
    assert awaiting(run_door(tmp_path)) == []


def test_days_with_rows_in_quarantine_are_judged_anew(tmp_path: Path) -> None:
    company(tmp_path, quarantine_limit_pct=100)
    deliver(tmp_path, ["A,2024-03-01,1,1", "B,2024-03-02,-1,1", "C,2024-03-03,1,1"])
    for day in (1, 2, 3):
        run_door(tmp_path, f"2024-03-0{day}", f"2024-03-0{day}")
    assert awaiting(march(tmp_path)) == ["20240302-20240302"]
    assert awaiting(march(tmp_path, 3)) == []
    # What a newer pull covers would be judged for nothing.
    deliver(tmp_path, ["A,2024-03-01,1,1", "B,2024-03-02,1,1"])
    run_door(tmp_path, "2024-03-01", "2024-03-02")
    assert awaiting(march(tmp_path)) == []


def test_a_changed_declaration_is_applied_to_all_days(tmp_path: Path) -> None:
    deliver(company(tmp_path), sales(8))
    for day in (1, 2):
        run_door(tmp_path, f"2024-03-0{day}", f"2024-03-0{day}")
    company(tmp_path, columns=[{**COLUMNS[0], "data_type": "text"}, *COLUMNS[1:]])
    assert awaiting(march(tmp_path)) == ["20240301-20240301", "20240302-20240302"]
    assert awaiting(march(tmp_path, 2)) == ["20240302-20240302"]


def test_of_a_snapshot_only_the_latest_day_counts(tmp_path: Path) -> None:
    company(tmp_path, cursor=None, quarantine_limit_pct=100)
    deliver(tmp_path, ["A,2024-03-01,-1,1"])
    for day in (2, 1):
        run_door(tmp_path, f"2024-03-0{day}", f"2024-03-0{day}")
    assert awaiting(march(tmp_path)) == ["20240302-20240302"]
