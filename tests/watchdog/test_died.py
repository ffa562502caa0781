"""A run that died without a word is found, once, and nobody else."""

import datetime as dt
import json
import multiprocessing
import os
import resource
import signal
from pathlib import Path
from typing import Any

import pytest

from kith.errors import DeliveryError, KithError, TransientError
from kith.incidents.failure import describe
from kith.incidents.history import record_failure
from kith.runs.journal import Journal
from kith.runs.provenance import keep_provenance
from kith.runs.run import Run
from kith.watchdog.died import dead_runs, record, untold
from tests.conftest import new_run
from tests.one_table import TABLE, company


@pytest.fixture
def run(kith_home: Path, tmp_path: Path) -> Run:
    return new_run(company(tmp_path / "shop"), "2024-03-05", "2024-03-06")


def found(run: Run, later: dt.timedelta = dt.timedelta(), **is_led: bool) -> list[Any]:
    now = dt.datetime.now(dt.UTC) + later
    dead = dead_runs(run.company, run.home, now, **{"is_led": True, **is_led})
    return [(each.run.run_id, each.stage, each.item) for each in dead]


def work(run: Run, stage: str, item: str, begun: Any) -> None:
    with run.stage(stage, item):
        begun.set()
        signal.pause()


def killed(run: Run, stage: str, item: str = "") -> None:
    """A process is killed within a stage."""
    context = multiprocessing.get_context("fork")
    begun = context.Event()
    process = context.Process(target=work, args=(run, stage, item, begun))
    process.start()
    assert begun.wait(60)
    assert found(run) == []  # It lives.
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.join()


def plan(run: Run, tables: int = 1) -> None:
    keep_provenance(run)
    with run.stage("plan") as figures:
        figures["tables"] = tables


@pytest.mark.parametrize("stage", ["pull", "admit", "build", "audit", "publish"])
def test_killed_in_any_stage_it_is_found_at_once(stage: str, run: Run) -> None:
    plan(run)
    item = TABLE if stage in ("pull", "admit") else ""
    killed(run, stage, item)
    assert found(run) == [(run.run_id, stage, item)]
    now = dt.datetime.now(dt.UTC)
    (dead,) = dead_runs(run.company, run.home, now, is_led=True)
    assert dead.run.interval == run.interval
    assert dead.error.evidence.thing == f"task {stage} {item}".strip()
    again = f"make run COMPANY={run.company.folder} FROM=2024-03-05 TO=2024-03-06"
    assert again in str(dead.error)
    # Noted in its own journal, it is not found again, and can be reproduced.
    dead.run.note_death(dead.stage, dead.item, dead.error)
    assert found(run) == []
    journal = Journal(run.run_folder)
    list(journal.new_entries())
    assert [each["failure_class"] for each in journal.failed()] == ["overdue"]


def test_tried_again_it_is_not_dead(run: Run) -> None:
    plan(run)
    killed(run, "build")
    with run.stage("build"):
        assert found(run) == []
    assert found(run) == []


def test_what_is_published_afterwards_ends_the_matter(run: Run) -> None:
    plan(run)
    killed(run, "pull", TABLE)
    other = new_run(run.company.folder, "2024-03-05", "2024-03-06")
    with other.stage("publish"):
        pass
    assert found(run) == []


def test_a_run_that_has_published_may_still_owe_postgresql_its_release(
    run: Run,
) -> None:
    plan(run)
    with run.stage("publish"):
        pass
    killed(run, "serve")
    assert found(run) == [(run.run_id, "serve", "")]
    (dead,) = dead_runs(run.company, run.home, dt.datetime.now(dt.UTC), is_led=True)
    assert f"make serve COMPANY={run.company.folder}" in str(dead.error)
    with run.stage("serve"):
        pass
    assert found(run) == []
    # Clearing up owes nobody anything.
    killed(run, "prune")
    assert found(run) == []


def test_between_two_tasks_it_is_dead_when_nobody_leads_it(run: Run) -> None:
    minutes, hours = dt.timedelta(minutes=16), dt.timedelta(hours=7)
    plan(run)
    assert found(run, is_led=False) == []
    assert found(run, minutes, is_led=True) == []
    assert found(run, minutes, is_led=False) == [(run.run_id, "publish", "")]
    assert found(run, hours, is_led=True) == [(run.run_id, "publish", "")]


def test_a_run_without_work_is_not_awaited(run: Run) -> None:
    plan(run, tables=0)
    assert found(run, dt.timedelta(days=9), is_led=False) == []


def test_a_failure_of_which_somebody_told_is_none(run: Run) -> None:
    plan(run)
    error = TransientError("busy")
    with pytest.raises(TransientError), run.stage("pull", TABLE):
        raise error
    later = dt.timedelta(minutes=16)
    # It waits for its next try, which does not come when nobody is left.
    assert found(run, later) == []
    assert found(run, later, is_led=False) == [(run.run_id, "pull", TABLE)]
    failure = describe(error, "pull", TABLE, run.interval, run.run_id, run.company)
    record_failure(run.folder, "shop", run.company, failure)
    assert found(run, later, is_led=False) == []


def test_a_process_that_cannot_be_seen_is_given_the_time_of_any_task(run: Run) -> None:
    plan(run)
    killed(run, "build")
    path = run.run_folder / "journal.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[-1]["process"]["host"] = "elsewhere"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert found(run) == []
    assert found(run, dt.timedelta(hours=6)) == [(run.run_id, "build", "")]
    # As of a version that did not note it.
    del lines[-1]["process"]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert found(run) == []
    assert found(run, dt.timedelta(hours=6)) == [(run.run_id, "build", "")]


def test_killed_before_its_days_were_noted_it_is_found_as_well(run: Run) -> None:
    killed(run, "plan")
    (one,) = found(run)
    assert one[1:] == ("plan", "")


def told_by_who_led(run: Run, says: str = "") -> list[str]:
    """Class, stage and first words of a failure of which no task has told."""
    journal = Journal(run.run_folder)
    list(journal.new_entries())
    seen = KithError("before the first stage: Airflow ended with 1: no module")
    incident = record(untold(run.company, run.home, journal, seen, says))
    assert incident.is_kept
    return [incident.failure_class, incident.stage, incident.cause[:26]]


FULL = "OperationalError: (sqlite3.OperationalError) database or disk is full"


def test_a_run_that_never_began_is_told_as_it_was_seen(run: Run) -> None:
    assert told_by_who_led(run) == ["bug", "plan", "before the first stage: Ai"]


def test_of_a_full_disk_airflow_dies_before_its_tasks_can_tell(run: Run) -> None:
    plan(run)
    killed(run, "admit", TABLE)
    assert told_by_who_led(run, f"x\n{FULL}\n")[:2] == ["resource", "admit"]


def test_what_was_killed_meanwhile_is_told_at_once(run: Run) -> None:
    plan(run)
    killed(run, "admit", TABLE)
    assert told_by_who_led(run) == ["overdue", "admit", "a run died without a word,"]


def test_a_task_that_wrote_why_it_failed_is_believed(run: Run) -> None:
    plan(run)
    with pytest.raises(DeliveryError), run.stage("pull", TABLE):
        raise DeliveryError("sales.csv: no column; expected quantity")
    assert told_by_who_led(run, FULL) == ["contract", "pull", "sales.csv: no column"]


def test_a_disk_that_is_still_full_is_what_a_run_died_of(run: Run) -> None:
    plan(run)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16 << 10, hard))
    try:
        assert told_by_who_led(run)[:2] == ["resource", "plan"]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_run_that_waits_for_an_approval_is_not_dead(run: Run) -> None:
    plan(run)
    until = dt.datetime.now(dt.UTC) + dt.timedelta(hours=20)
    with run.stage("approve") as figures:
        figures["waits_until"] = until.isoformat()
    for hours in (1, 19):
        assert found(run, dt.timedelta(hours=hours)) == []
        assert found(run, dt.timedelta(hours=hours), is_led=False) == []
    # Nobody decided, and nothing ended it.
    assert found(run, dt.timedelta(hours=21)) == [(run.run_id, "publish", "")]
    with run.stage("approve"):
        pass
    assert found(run, dt.timedelta(hours=1)) == []
    assert found(run, dt.timedelta(hours=7)) == [(run.run_id, "publish", "")]
