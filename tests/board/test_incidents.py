"""The pages show incidents, and reasons of journals without persons."""

from pathlib import Path

import pytest

from kith.board.incidents import incidents_of, open_incidents, reason_of
from kith.errors import DeliveryError
from kith.incidents.failure import describe
from kith.incidents.history import record_failure, record_success
from kith.runs.run import Run
from tests.conftest import new_run
from tests.one_table import company


@pytest.fixture
def run(kith_home: Path, tmp_path: Path) -> Run:
    return new_run(company(tmp_path / "shop"), "2024-03-05", "2024-03-05")


def fail(run: Run, item: str) -> list[str]:
    """The incident of a refused table, in full."""
    task = ("admit", item, run.interval, run.run_id, run.company)
    failure = describe(DeliveryError(f"{item}: no rows"), *task)
    return record_failure(run.folder, run.company.name, run.company, failure).lines()


def test_the_incidents_of_a_run_and_the_open_ones_of_a_task_are_shown(run: Run) -> None:
    fail(run, "shop.a")
    (closed,) = record_success(run, "admit", "shop.a")
    still = fail(run, "shop.b")
    assert incidents_of(run.folder, run.run_id, "build", "") == [still, closed.lines()]
    assert incidents_of(run.folder, "later", "admit", "shop.a") == []
    assert incidents_of(run.folder, "later", "admit", "shop.b") == [still]
    (line,) = open_incidents(run.folder)
    assert line.startswith("critical: admit shop.b failed: shop.b: no rows (cont")


@pytest.mark.parametrize("kind", ["contract", "bug", "configuration", None])
def test_reasons_of_journals_name_nobody(kind: str | None) -> None:
    reason = "shop.a: bad; found 'Anna Meier', mail anna@example.com; mend it"
    failure = {"failure_class": kind, "reason": reason}
    assert reason_of(failure).startswith("shop.a: bad")
    assert "anna@example.com" not in reason_of(failure)
    assert ("Anna Meier" in reason_of(failure)) == (kind == "configuration")
