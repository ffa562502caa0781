"""One incident from the first failure to the recovery, whatever is killed between."""

import dataclasses
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from kith.errors import DeliveryError, GateError, KithError, SourceUnavailableError
from kith.incidents import history
from kith.incidents.failure import describe
from kith.incidents.history import (
    incidents,
    open_incidents,
    record_failure,
    record_success,
)
from kith.incidents.incident import Incident
from kith.runs.run import Interval, Run
from tests.conftest import new_run
from tests.one_table import company

TABLE = "shop.sales"


@pytest.fixture
def run(kith_home: Path, tmp_path: Path) -> Run:
    return new_run(company(tmp_path / "shop"), "2024-03-05", "2024-03-05")


def on(run: Run, day: str) -> Run:
    date = dt.date.fromisoformat(day)
    return dataclasses.replace(run, interval=Interval(date, date))


def fail(
    run: Run, error: KithError | None = None, stage: str = "admit", item: str = TABLE
) -> Incident:
    failure = describe(
        error or DeliveryError("bad; mend it"),
        *(stage, item, run.interval, run.run_id, run.company),
    )
    return record_failure(run.folder, run.company.name, run.company, failure)


def test_repeats_are_counted_and_success_on_these_days_closes(run: Run) -> None:
    first = fail(run)
    second = fail(on(run, "2024-03-06"))
    assert first.incident_id == second.incident_id
    assert (first.failure_count, second.failure_count) == (1, 2)
    assert second.first_seen_at == first.first_seen_at < second.last_seen_at
    assert second.to_day == dt.date(2024, 3, 6)

    # Neither another task, nor another table, nor days before those that failed.
    for day, stage, item in (
        ("2024-03-06", "pull", TABLE),
        ("2024-03-06", "admit", "shop.others"),
        ("2024-03-05", "admit", TABLE),
    ):
        assert record_success(on(run, day), stage, item) == []
    (still,) = open_incidents(run.folder)
    assert still == second

    (closed,) = record_success(on(run, "2024-03-07"), "admit", TABLE)
    assert closed.recovered_at and closed.recovered_at > second.last_seen_at
    assert open_incidents(run.folder) == []
    assert incidents(run.folder) == [closed]
    assert record_success(on(run, "2024-03-08"), "admit", TABLE) == []


def test_after_a_recovery_the_same_failure_is_a_new_incident(run: Run) -> None:
    first = fail(run)
    record_success(run, "admit", TABLE)
    second = fail(run)
    assert first.incident_id != second.incident_id
    assert [each.incident_id for each in incidents(run.folder)] == [
        second.incident_id,
        first.incident_id,
    ]


def test_an_incident_of_several_tasks_closes_with_the_last_of_them(run: Run) -> None:
    tables = ("shop.a", "shop.b")
    found = {
        fail(run, SourceUnavailableError(f"{item}: x"), "pull", item).incident_id
        for item in tables
    }
    assert len(found) == 1
    assert record_success(run, "pull", "shop.a") == []
    # It fails once more before the other has recovered.
    fail(run, SourceUnavailableError("shop.a: x"), "pull", "shop.a")
    assert record_success(run, "pull", "shop.b") == []
    assert len(record_success(run, "pull", "shop.a")) == 1


def test_a_backfill_that_fails_too_does_not_make_up_for_a_newer_day(run: Run) -> None:
    fail(run)
    fail(on(run, "2024-01-01"))
    assert record_success(on(run, "2024-01-01"), "admit", TABLE) == []
    assert len(record_success(run, "admit", TABLE)) == 1


def test_a_table_that_is_declared_no_more_recovers_with_a_publication(run: Run) -> None:
    fail(run, item="shop.gone")
    fail(run)
    # What the watchdog looks at is no table.
    fail(run, stage="watchdog", item="timeliness")
    record_success(run, "publish")
    found = {each.item for each in open_incidents(run.folder)}
    assert found == {TABLE, "timeliness"}


def test_a_failure_before_days_were_known_recovers_with_any_success(run: Run) -> None:
    failure = describe(GateError("x"), "plan", company=run.company)
    found = record_failure(run.folder, "shop", run.company, failure)
    assert found.days == ""
    assert len(record_success(on(run, "2024-01-01"), "plan")) == 1


def test_a_process_killed_at_any_write_leaves_whole_events(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before and after each rename, and before the mark of a closed incident."""

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(Killed):
            fail(run)
    assert incidents(run.folder) == [] == open_incidents(run.folder)
    fail(run)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "touch", killed)
        with pytest.raises(Killed):
            record_success(run, "admit", TABLE)
    # The event is there, so that it has recovered: nothing is open, and what fails
    # from now on is another incident; the next success of any task closes the first.
    (first,) = incidents(run.folder)
    assert first.recovered_at and open_incidents(run.folder) == []
    second = fail(run)
    assert second.incident_id != first.incident_id
    (closed,) = record_success(run, "pull", "shop.other")
    assert (closed.incident_id, closed.recovered_at) == (
        first.incident_id,
        first.recovered_at,
    )
    for path in (run.folder / "history" / "incidents").rglob("*.json"):
        json.loads(path.read_text())


def test_a_disk_that_takes_nothing_hides_no_incident(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(history, "_write", full)
    found = fail(run)
    assert (found.cause, found.failure_count, found.is_kept) == ("bad", 1, False)
    assert found.details == (
        "mend it; this incident could not be kept (No space left on device)"
    )


def test_where_nothing_is_open_a_success_writes_nothing(run: Run) -> None:
    assert record_success(run, "pull", TABLE) == []
    assert not run.folder.exists()


def test_a_full_disk_gives_back_what_was_reserved(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.folder.mkdir(parents=True)
    record_success(run, "pull", TABLE)
    reserve = run.folder / "history" / "incidents" / ".reserve"
    assert reserve.stat().st_blocks * 512 >= 65536
    write = history._write

    def full(*arguments: Any) -> None:
        if reserve.exists():
            raise OSError(28, "No space left on device")
        write(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(history, "_write", full)
        found = fail(run)
    assert found.is_kept and open_incidents(run.folder) == [found]
    # The next success reserves it anew.
    assert not reserve.exists()
    record_success(run, "admit", TABLE)
    assert reserve.exists() and open_incidents(run.folder) == []
