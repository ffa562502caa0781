"""The incidents of a company on disk: `history/incidents/<incident>/<event>.json`.

Failures are one incident when their class is the same and so is the thing that is
broken, until it has recovered: five pulls of one dead source system, several tasks that
meet the same full disk, the same check of the gate night after night. What is broken is
said by whoever raises the error (`Evidence.thing`: the disk, the check, the dbt node),
or follows from the class (`kith.incidents.failure`).

A task that failed has recovered when the same task, of the same table, succeeds on days
that reach as far as those that failed, or further: of an interval, or a later one. One
that failed before its days were known recovers with any success. Of a table that is no
longer declared, it has when the company publishes. The incident has recovered when all
its tasks have.

An event is a file that is written once and never changed: under another name first, so
that a process which is killed leaves a whole event or none. What a killed process left
undone (an event that closes an incident) follows from the events there are.
"""

import datetime as dt
import fcntl
import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kith.company.folder import Company
from kith.incidents.failure import Failure
from kith.incidents.incident import (
    Incident,
    is_damaged_release,
    of_events,
    opened_by,
    ordered,
)
from kith.incidents.readers import standing, standing_on_postgres
from kith.runs.run import Run, make_state
from kith.storage import sync

# Beside the events of an incident that has recovered; spares reading them.
_CLOSED = "closed"
# Tasks of one source table each.
_OF_TABLES = ("pull", "admit", "fetch")
# Room that is given back when the disk is full: an event takes some thousand bytes.
_RESERVE, _RESERVED_BYTES = ".reserve", 65536


def record_failure(
    state: Path, name: str, company: Company | None, failure: Failure
) -> Incident:
    """Add a failure to its incident, or open one; returns that as it is now.

    `state` is the company's folder in $KITH_HOME, `name` its name, and `company` what
    its files say, None where they cannot be read. Where the disk takes no event, the
    incident is the one that would have been, with a note in its details.
    """
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    event = _failure_event(state, name, company, failure, now)
    opened = f"{now:%Y%m%dT%H%M%SZ}_{secrets.token_hex(3)}"
    try:
        make_state(state)
        with locked(state) as folder:
            found = [each for each in _open(folder) if each.key == failure.key]
            found = [each for each in found if each.recovered_at is None]
            incident_id = found[0].incident_id if found else opened
            with_room(folder, lambda: _write(folder / incident_id, now, event))
            return read_incident(folder / incident_id) or opened_by(opened, event)
    except OSError as fault:
        unsaved = opened_by(opened, event)
        unsaved.is_kept = False
        unsaved.details += f"; this incident could not be kept ({fault.strerror})"
        return unsaved


def record_success(run: Run, stage: str, item: str = "") -> list[Incident]:
    """Tell the open incidents that a task has succeeded; returns those that it closed.

    Costs a look at the folder where nothing is open. Never fails: what cannot be
    written is written at the next success.
    """
    try:
        _keep_reserve(run.folder)
        if not any(_open_folders(events_folder(run.folder))):
            return []
        with locked(run.folder) as folder:
            return [
                incident
                for incident in _open(folder)
                if _has_recovered(folder, incident, run, stage, item)
            ]
    except OSError:
        return []


def incidents(state: Path) -> list[Incident]:
    """All incidents of a company, the open ones first; `state` as above."""
    folder = events_folder(state)
    found = (read_incident(path) for path in _folders(folder))
    return list(ordered(filter(None, found)))


def open_incidents(state: Path) -> list[Incident]:
    """Those that have not recovered, the critical ones first."""
    found = _open(events_folder(state))
    return list(ordered(each for each in found if each.recovered_at is None))


# --- events ---------------------------------------------------------------------------


def _failure_event(
    state: Path,
    name: str,
    company: Company | None,
    failure: Failure,
    now: dt.datetime,
) -> dict[str, Any]:
    at = now.replace(tzinfo=dt.UTC)
    of = standing_on_postgres if failure.stage == "serve" else standing
    readers = of(state, company, at)
    days = failure.interval
    event = {
        "event": "failure",
        "at": now.isoformat(),
        "company": name,
        "owner": company.owner if company else "",
        "failure_class": failure.failure_class,
        "stage": failure.stage,
        "item": failure.item,
        "from_day": days.from_day.isoformat() if days else None,
        "to_day": days.to_day.isoformat() if days else None,
        "run_id": failure.run_id,
        "cause": failure.cause,
        "details": failure.details,
        **asdict(failure.evidence),
        "release_id": readers.release_id,
        "release_as_of_date": readers.as_of_date.isoformat()
        if readers.as_of_date
        else None,
        "is_fresh": readers.is_fresh,
        "effect": readers.text,
    }
    if is_damaged_release(event):
        event["effect"] += "; it is damaged"
    return event


def _has_recovered(
    folder: Path, incident: Incident, run: Run, stage: str, item: str
) -> bool:
    """Write which broken parts a success mends; whether the incident is closed then."""
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    declared = {table.full_name for table in run.company.sources}
    for (broken, table), last_day in list(incident.broken.items()):
        is_mended = (broken, table) == (stage, item) and (
            last_day is None or run.interval.to_day >= last_day
        )
        is_of_table = broken in _OF_TABLES and table not in declared
        is_gone = stage == "publish" and is_of_table
        if is_mended or is_gone:
            event = {
                "event": "success",
                "at": now.isoformat(),
                "stage": broken,
                "item": table,
                "run_id": run.run_id,
            }
            _write(folder / incident.incident_id, now, event)
            del incident.broken[broken, table]
    if incident.broken:
        return False
    incident.recovered_at = incident.recovered_at or now
    (folder / incident.incident_id / _CLOSED).touch()
    return True


def _write(folder: Path, now: dt.datetime, event: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{now:%Y%m%dT%H%M%S%f}_{secrets.token_hex(3)}.json"
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(json.dumps(event), encoding="utf-8")
    sync(unfinished)
    unfinished.replace(path)


def with_room(folder: Path, write: Callable[[], None]) -> None:
    """Write into the folder of incidents, once more with the reserve if it fails."""
    try:
        write()
    except OSError:
        (folder / _RESERVE).unlink(missing_ok=True)
        write()


def _keep_reserve(state: Path) -> None:
    """Keep room for the incident that tells of a full disk."""
    path = events_folder(state) / _RESERVE
    if path.is_file() or not state.is_dir():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".tmp")
    # Zeros would take no room on a disk that packs.
    unfinished.write_bytes(secrets.token_bytes(_RESERVED_BYTES))
    unfinished.replace(path)


# --- folders --------------------------------------------------------------------------


def events_folder(state: Path) -> Path:
    """The folder that has a folder of events for each incident."""
    return state / "history" / "incidents"


def _folders(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9]*/"))


def _open_folders(folder: Path) -> Iterator[Path]:
    return (path for path in _folders(folder) if not (path / _CLOSED).exists())


def _open(folder: Path) -> list[Incident]:
    """Those not closed, among them one that only lacks the mark, by a killed process.

    A folder without an event is no incident: its process was killed before that.
    """
    return list(filter(None, map(read_incident, _open_folders(folder))))


def read_incident(folder: Path) -> Incident | None:
    """The incident whose events are in a folder; None where there is none yet."""
    events = []
    for path in sorted(folder.glob("[0-9]*.json")):
        # One that a disk has lost must not hide the others.
        with suppress(ValueError):
            events.append(json.loads(path.read_text(encoding="utf-8")))
    return of_events(folder.name, events)


@contextmanager
def locked(state: Path, name: str = ".lock") -> Iterator[Path]:
    """The folder of incidents, while nobody else holds the lock of that name in it.

    By its own one incidents are opened and closed.
    """
    folder = events_folder(state)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
