"""Deliveries that must not stand side by side: other rules, other keys."""

import json
from pathlib import Path

import duckdb
import pytest

from kith.build.warehouse import prepare_warehouse
from kith.errors import ConfigurationError
from kith.runs.run import Run
from kith.stages import admit, plan
from tests.one_table import COLUMNS, TABLE, company, deliver, report, run_door, sales

pytestmark = pytest.mark.usefixtures("kith_home")


def prepared(run: Run, column: str) -> list[tuple[object, ...]]:
    with run.writer_lock():
        prepare_warehouse(run)
    with duckdb.connect(str(run.warehouse), read_only=True) as warehouse:
        return warehouse.execute(
            f"select {column} from {TABLE} order by all"
        ).fetchall()


def test_a_changed_declaration_asks_for_a_replay(tmp_path: Path) -> None:
    deliver(company(tmp_path), ["007,2024-03-01,1,1", "008,2024-03-02,1,1"])
    as_number = [{**COLUMNS[0], "data_type": "bigint"}, *COLUMNS[1:]]
    company(tmp_path, columns=as_number)
    run_door(tmp_path, "2024-03-01", "2024-03-01")
    company(tmp_path)
    run = run_door(tmp_path, "2024-03-02", "2024-03-02")
    with pytest.raises(
        ConfigurationError, match=r"2024-03-01 to 2024-03-01.*make repl"
    ):
        prepared(run, "sale_id")
    days = {"from_day": "2024-03-01", "to_day": "2024-03-31"}
    replay, judged = plan(str(tmp_path), {"replay": True, **days}, "r")
    for each in judged:
        assert each["delivery"] == "20240301-20240301"
        admit(replay, **each)
    assert prepared(run, "sale_id") == [("007",), ("008",)]


def test_rows_that_another_version_left_in_raw_are_not_forgotten(
    tmp_path: Path,
) -> None:
    deliver(company(tmp_path), sales(8))
    run = run_door(tmp_path)
    path = run.admitted(TABLE) / run.interval.slug / "report.json"
    path.write_text(json.dumps({**report(run), "in_place": {"price": "price"}}))
    with pytest.raises(ConfigurationError, match="make replay"):
        prepared(run, "sale_id")


def test_what_changes_no_row_asks_for_nothing(tmp_path: Path) -> None:
    deliver(company(tmp_path), sales(8))
    run_door(tmp_path, "2024-03-01", "2024-03-01")
    company(tmp_path, quarantine_limit_pct=7, late_limit_pct=3)
    run = run_door(tmp_path, "2024-03-02", "2024-03-02")
    assert len(prepared(run, "sale_id")) == 8


def test_identifiers_of_two_keys_are_not_mixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail = {"name": "mail", "data_type": "varchar", "meta": {"pii": "email"}}
    company(tmp_path, columns=[*COLUMNS, mail])
    (tmp_path / "data/sales.csv").write_text(
        "sale_id,sold_at,quantity,price,mail\n"
        "A,2024-03-01,1,1,li@example.com\nB,2024-03-02,1,1,li@example.com\n"
    )
    for day, key in ((1, "the first key"), (2, "the second one")):
        monkeypatch.setenv("KITH_IDENTIFIER_KEY", f"{key}, of more than 32 characters")
        run = run_door(tmp_path, f"2024-03-0{day}", f"2024-03-0{day}")
    with pytest.raises(ConfigurationError, match="one person would be two"):
        prepared(run, "mail")
    run_door(tmp_path, "2024-03-01", "2024-03-01")
    assert len(set(prepared(run, "mail"))) == 1
