"""One look tells what is wrong with what readers have, and when it is right again."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from kith.incidents.history import incidents, open_incidents
from kith.runs.run import Run
from kith.storage import sha256
from kith.watchdog import look as looking
from kith.watchdog.look import look
from tests.conftest import new_run
from tests.one_table import TABLE, company
from tests.watchdog.test_died import killed, plan
from tests.watchdog.test_due import took

NOW = dt.datetime(2024, 3, 7, 2, 30, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def run(kith_home: Path, tmp_path: Path) -> Run:
    run = new_run(company(tmp_path / "shop"), "2024-03-05", "2024-03-05")
    took(run, "20240301-20240305")
    release(run, "2024-03-05")
    return run


def release(run: Run, as_of: str) -> Path:
    """A release with a database and a file beside it, sealed by its manifest."""
    folder = run.published / f"{as_of.replace('-', '')}T000000Z_abcdef"
    folder.mkdir(parents=True)
    with duckdb.connect(str(folder / "kith.duckdb")) as database:
        database.execute("create table _release as select 'r' as release_id")
    (folder / "a.parquet").write_text("rows")
    files = {name: sha256(folder / name) for name in ("kith.duckdb", "a.parquet")}
    (folder / "manifest.json").write_text(
        json.dumps({"as_of_date": as_of, "files": files})
    )
    pointer = run.published / "current"
    pointer.unlink(missing_ok=True)
    pointer.symlink_to(folder.name)
    return folder


def seen(run: Run, now: dt.datetime = NOW) -> list[Any]:
    found = look(run.company, run.home, now, is_led=True)
    return [(each.item or each.stage, each.failure_class, each.cause) for each in found]


def test_all_is_well_until_the_promise_has_passed_and_missing_days_are_named(
    run: Run,
) -> None:
    assert seen(run) == []
    assert incidents(run.folder) == []
    ((item, kind, cause),) = seen(run, NOW + HOUR)
    assert (item, kind) == ("timeliness", "overdue")
    assert cause.endswith(
        "of day 2024-03-05, past its promise since 2024-03-07 04:00 (Europe/Paris)"
    )
    (first,) = open_incidents(run.folder)
    assert (first.severity, first.failure_count) == ("critical", 1)
    assert first.details == (
        f"1 of 1 tables lack days that are due: {TABLE} lacks 2024-03-06; no task has "
        "failed; see whether Airflow runs, then make catch-up "
        f"COMPANY={run.company.folder}"
    )
    # A look each minute counts no minute, a further day does.
    seen(run, NOW + HOUR)
    assert open_incidents(run.folder) == [first]
    assert seen(run) == []
    (closed,) = incidents(run.folder)
    assert closed.recovered_at


def test_a_day_lost_in_between_is_told_of_a_release_that_is_fresh(run: Run) -> None:
    took(run, "20240307-20240309")
    release(run, "2024-03-09")
    now = dt.datetime(2024, 3, 10, 12, tzinfo=dt.UTC)
    (found,) = seen(run, now)
    assert found == (
        *("timeliness", "overdue"),
        f"1 of 1 tables lack days that are due: {TABLE} lacks 2024-03-06",
    )
    took(run, "20240306-20240306")
    assert seen(run, now) == []


def test_a_release_that_came_and_was_not_published_is_late(run: Run) -> None:
    took(run, "20240306-20240306")
    (found,) = look(run.company, run.home, NOW + HOUR, is_led=True)
    assert "lacks" not in found.details


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (
            lambda folder: (folder / "a.parquet").write_text("x"),
            "a.parquet was changed",
        ),
        (lambda folder: (folder / "a.parquet").unlink(), "a.parquet is missing"),
        (lambda folder: (folder / "manifest.json").unlink(), "manifest.json cannot be"),
    ],
)
def test_a_release_that_is_not_whole_is_told(spoil: Any, told: str, run: Run) -> None:
    folder = (run.published / "current").resolve()
    spoil(folder)
    damage = [each for each in seen(run) if each[0] == "release"]
    ((_, kind, cause),) = damage
    assert kind == "resource" and told in cause
    (incident,) = [e for e in open_incidents(run.folder) if e.item == "release"]
    assert incident.severity == "critical"
    assert incident.effect.endswith("; it is damaged")
    release(run, "2024-03-06")
    took(run, "20240306-20240306")
    assert seen(run) == []
    assert open_incidents(run.folder) == []


def test_a_database_that_nobody_can_open_is_told(run: Run) -> None:
    folder = (run.published / "current").resolve()
    (folder / "kith.duckdb").write_text("no database")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["kith.duckdb"] = sha256(folder / "kith.duckdb")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    ((item, kind, cause),) = seen(run)
    assert (item, kind) == ("release", "resource")
    assert cause.startswith(f"{folder / 'kith.duckdb'}: cannot be read (")


def test_a_publication_meanwhile_is_no_damage(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, verify = (run.published / "current").resolve(), looking.verify

    def switched(folder: Path) -> list[str]:
        if folder == old:
            release(run, "2024-03-06")
            return ["a.parquet is missing"]
        return verify(folder)

    monkeypatch.setattr(looking, "verify", switched)
    took(run, "20240306-20240306")
    assert seen(run) == []


def test_a_dead_run_is_told_once_and_recovers_with_the_task(run: Run) -> None:
    plan(run)
    killed(run, "pull", TABLE)
    ((item, kind, cause),) = seen(run)
    assert (item, kind) == (TABLE, "overdue")
    assert cause.startswith(f"a run died without a word, in pull {TABLE}")
    assert seen(run) == []
    (incident,) = open_incidents(run.folder)
    assert (incident.run_id, incident.failure_count) == (run.run_id, 1)
    assert incident.days == "2024-03-05 to 2024-03-05"


def test_what_cannot_be_looked_at_is_told(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Path) -> list[str]:
        raise ValueError("Anna Meier")

    monkeypatch.setattr(looking, "verify", broken)
    ((item, kind, cause),) = seen(run)
    assert (item, kind) == ("release", "bug")
    assert "ValueError" in cause and "Anna" not in cause


def test_a_company_that_never_ran_or_has_ended_is_left_alone(
    run: Run, tmp_path: Path
) -> None:
    other = new_run(company(tmp_path / "other"), "2024-03-05", "2024-03-05")
    unknown = other.company.model_copy(update={"name": "unknown"})
    assert look(unknown, run.home, NOW, is_led=False) == []
    ended = run.company.model_copy(update={"last_day": dt.date(2024, 3, 5)})
    assert look(ended, run.home, NOW + 99 * HOUR, is_led=False) == []
