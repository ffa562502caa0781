"""What the gate lets through, what it stops, and what it keeps."""

import json
from pathlib import Path

import duckdb
import pytest

from kith.errors import GateError
from kith.gate.audit import audit, permit_path
from kith.runs.run import Run
from tests.gate.conftest import results, spoil


def test_a_good_candidate_gets_the_permit_and_its_results_are_kept(
    candidate: Run,
) -> None:
    audit(candidate)
    permit = json.loads(permit_path(candidate).read_text())
    found = results(candidate)
    assert permit["passed"] > 80
    assert permit["failed_warnings"] == []
    assert {row[0] for row in found.values()} == {"passed"}
    kept = duckdb.sql(
        f"select count(*), count(distinct run_id) "
        f"from '{candidate.folder}/history/gate_results/*.parquet'"
    ).fetchall()
    assert kept == [(permit["passed"], 1)]
    assert (candidate.run_folder / "gate_results.parquet").is_file()
    summary = (candidate.run_folder / "gate_summary.md").read_text()
    assert summary.startswith("# Gate: passed\n")
    assert "| customer.customer_values | 41 | 5 | 0 | 0 | 0 |" in summary


def test_a_mart_that_is_a_view_of_files_is_judged_as_well(
    candidate: Run, tmp_path: Path
) -> None:
    spoil(
        candidate,
        f"copy segment.concentrations to '{tmp_path}/part.parquet'; "
        "drop table segment.concentrations; "
        f"create view segment.concentrations as from '{tmp_path}/*.parquet'",
    )
    audit(candidate)
    assert {row[0] for row in results(candidate).values()} == {"passed"}
    with duckdb.connect() as connection:
        connection.execute(
            "create table bad as select * replace (2 as gini) "
            f"from '{tmp_path}/part.parquet'; "
            f"copy bad to '{tmp_path}/part.parquet'"
        )
    with pytest.raises(GateError, match=r"segment\.concentrations"):
        audit(candidate)


def test_an_audit_tried_again_replaces_its_results(candidate: Run) -> None:
    audit(candidate)
    once = json.loads(permit_path(candidate).read_text())["passed"]
    audit(candidate)
    with duckdb.connect(str(candidate.warehouse), read_only=True) as warehouse:
        rows = warehouse.execute(
            "select run_id, count(*) from operations.gate_results group by 1 order by 1"
        ).fetchall()
    assert rows == [("run_0", 1), ("run_1", once)]


def test_a_permit_of_an_earlier_try_does_not_survive_a_failure(candidate: Run) -> None:
    audit(candidate)
    spoil(candidate, "update segment.concentrations set gini = 2")
    with pytest.raises(GateError):
        audit(candidate)
    assert not permit_path(candidate).exists()


def test_a_failed_warning_is_noted_and_goes_on(candidate: Run) -> None:
    spoil(candidate, "update feeds.goals set period_end = '2023-12-31'")
    audit(candidate)
    assert json.loads(permit_path(candidate).read_text())["failed_warnings"] == [
        "feeds.goals: expected 'No period ends before it begins', found 1 of 1 "
        "values, first: source shop, goal_id h1"
    ]
    assert results(candidate)["No period ends before it begins"][0] == "failed"
    assert (
        "passed with 1 warning"
        in (candidate.run_folder / "gate_summary.md").read_text()
    )
