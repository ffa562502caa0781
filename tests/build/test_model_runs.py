"""How the nodes of a build went: journal, log, history and mart."""

import dataclasses
import json
from typing import Any

import duckdb
import pytest

from kith.build.dbt import target
from kith.build.model_runs import add_to_mart, record
from kith.runs.run import Run


@pytest.fixture
def run(candidate: Run) -> Run:
    with duckdb.connect(str(candidate.warehouse)) as warehouse:
        warehouse.execute(
            "create or replace table segment.cohorts as from segment.cohorts limit 7"
        )
    return candidate


def dbt_ended(run: Run, *results: tuple[str, str, float]) -> None:
    def result(unique_id: str, status: str, seconds: float) -> dict[str, Any]:
        name = unique_id.split(".")[2]
        started = {"name": "compile", "started_at": "2024-12-31T22:00:00.5Z"}
        return {
            "unique_id": unique_id,
            "status": status,
            "execution_time": seconds,
            "relation_name": f'"kith_build"."segment"."{name}"',
            "failures": 3 if status == "fail" else None,
            "adapter_response": {},
            "timing": [] if status == "skipped" else [started],
        }

    (target(run) / "run_results.json").write_text(
        json.dumps({"results": [result(*each) for each in results]})
    )


def mart(run: Run) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(run.warehouse), read_only=True) as warehouse:
        return warehouse.execute(
            "select node_name, resource_type, status, seconds, row_count, "
            "failing_row_count, started_at::varchar, as_of_date::varchar "
            "from operations.model_runs where run_id = ? order by all",
            [run.run_id],
        ).fetchall()


def test_each_node_is_a_row_and_a_note(run: Run) -> None:
    dbt_ended(
        run,
        ("model.kith.cohorts", "success", 1.25),
        ("test.kith.unique_cohorts.0a1b", "warn", 0.5),
        ("seed.kith.names", "success", 0.1),
    )
    record(run)
    add_to_mart(run)
    at, as_of = "2024-12-31 22:00:00.5", "2024-12-31"
    assert mart(run) == [
        ("cohorts", "model", "success", 1.25, 7, None, at, as_of),
        ("names", "seed", "success", 0.1, None, None, at, as_of),
        ("unique_cohorts", "test", "warn", 0.5, None, None, at, as_of),
    ]
    journal = (run.run_folder / "journal.jsonl").read_text().splitlines()
    notes = [json.loads(line) for line in journal]
    assert [(note["event"], note["item"], note["figures"]) for note in notes] == [
        ("note", "cohorts", {"status": "success", "seconds": 1.25}),
        ("note", "unique_cohorts", {"status": "warn", "seconds": 0.5}),
        ("note", "names", {"status": "success", "seconds": 0.1}),
    ]


def test_a_build_that_is_tried_again_replaces_what_it_did_anew(run: Run) -> None:
    dbt_ended(
        run,
        ("model.kith.cohorts", "success", 1),
        ("model.kith.segments", "error", 2),
        ("test.kith.of_segments.0a1b", "skipped", 0),
        ("test.kith.former_name_of_a_test.0a1b", "fail", 0),
    )
    record(run)
    history = run.folder / "history" / "model_runs" / "run_1.parquet"
    assert duckdb.sql(
        f"select node_name, status, row_count, failing_row_count, started_at is null "
        f"from '{history}' order by all"
    ).fetchall() == [
        ("cohorts", "success", 7, None, False),
        ("former_name_of_a_test", "fail", None, 3, False),
        ("of_segments", "skipped", None, None, True),
        ("segments", "error", None, None, False),
    ]
    dbt_ended(
        run,
        ("model.kith.segments", "success", 3),
        ("test.kith.of_segments.0a1b", "pass", 0),
    )
    record(run)
    add_to_mart(run)
    add_to_mart(run)
    assert [row[:4] for row in mart(run)] == [
        ("cohorts", "model", "success", 1),
        ("of_segments", "test", "pass", 0),
        ("segments", "model", "success", 3),
    ]


def test_the_log_ends_with_the_slowest_models_and_what_became_slow(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    usual = [(f"model.kith.model_{number}", "success", 10) for number in range(6)]
    for number, seconds in enumerate((0.5, 0.7, 90)):
        former = dataclasses.replace(run, run_id=f"run_of_day_{number}")
        dbt_ended(former, *usual, ("model.kith.cohorts", "success", seconds))
        record(former)
    capsys.readouterr()
    dbt_ended(
        run,
        *usual,
        ("model.kith.cohorts", "success", 2.5),
        ("test.kith.slow.0a1b", "pass", 99),
    )
    record(run)
    title, *lines = capsys.readouterr().out.splitlines()
    assert title.startswith("Slowest models, in seconds")
    assert [line.split() for line in lines] == [
        *(["10.00", "(10.00)", f"model_{number}"] for number in range(5)),
        ["2.50", "(0.70)", "cohorts", "SLOWER"],
    ]


def test_of_a_dbt_that_executed_nothing_nothing_is_told(run: Run) -> None:
    record(run)
    assert not (run.folder / "history").exists()
    assert not (run.run_folder / "journal.jsonl").exists()
