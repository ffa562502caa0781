"""What the tests of the gate share."""

import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from kith.runs.run import Run


@pytest.fixture
def candidate(candidate: Run, tmp_path: Path) -> Run:
    """The candidate's run, whose company has a folder of the test's own."""
    folder = shutil.copytree(candidate.company.folder, tmp_path / "company")
    company = candidate.company.model_copy(update={"folder": folder})
    return Run(company, candidate.interval, candidate.run_id, candidate.home)


def spoil(run: Run, sql: str) -> None:
    with duckdb.connect(str(run.warehouse)) as warehouse:
        warehouse.execute(sql)


def query(run: Run, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(run.warehouse), read_only=True) as warehouse:
        return warehouse.execute(sql).fetchall()


def add_suite(run: Run, name: str, *expectations: str) -> None:
    """A suite of the company's own."""
    path = run.company.folder / "expectations" / f"{name}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "import datetime as dt\n"
        "import great_expectations.expectations as gxe\n"
        "from kith.gate.rows import CRITICAL, WARNING, no_rows\n\n"
        f"EXPECTATIONS = [{', '.join(expectations)}]\n"
    )


def results(run: Run) -> dict[str, tuple[object, ...]]:
    """This run's rows of gate_results: outcome, observed, count and sample by check."""
    rows = query(
        run,
        "select expectation, outcome, observed, unexpected_count, sample "
        f"from operations.gate_results where run_id = '{run.run_id}'",
    )
    return {row[0]: row[1:] for row in rows}
