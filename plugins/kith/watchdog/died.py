"""Runs that died without a word: killed, or with the machine or its disk.

A stage writes to the journal which process it begins in. Where that is gone and no end
was written, nobody told of it: Airflow calls nothing for a task that is killed, and
dies itself of a full disk on which its own database lies.
"""

import datetime as dt
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kith.company.folder import Company
from kith.errors import ConfigurationError, KithError, OverdueError
from kith.failures import lack_in, lack_of_room
from kith.incidents.failure import describe
from kith.incidents.history import incidents, record_failure
from kith.incidents.incident import Incident
from kith.runs.journal import Journal
from kith.runs.processes import is_gone
from kith.runs.provenance import provenance_of
from kith.runs.run import Interval, Run, folder_name

# Longer than any task may take, where its process cannot be seen.
_UNSEEN = dt.timedelta(hours=5)
# Between two stages of a run that somebody leads, such as for a place in a pool …
_QUEUED = dt.timedelta(hours=6)
# … and of one that nobody leads.
_UNLED = dt.timedelta(minutes=15)


@dataclass(frozen=True)
class DeadRun:
    """A run that will not go on, and the stage that it owes."""

    run: Run
    stage: str
    item: str
    error: KithError


def dead_runs(
    company: Company, home: Path, now: dt.datetime, *, is_led: bool
) -> list[DeadRun]:
    """The runs from the last one that published on, which died and nobody told of.

    `is_led` is whether there is a server or a command that leads runs.
    """
    state = home / company.name
    journals = (path / "journal.jsonl" for path in (state / "runs").glob("[!.]*"))
    latest = sorted(
        (path for path in journals if path.is_file()),
        key=lambda path: path.stat().st_mtime,
        reverse=True,
    )
    found = []
    for path in latest:
        journal = Journal(path.parent)
        list(journal.new_entries())
        dead = dead_run(company, home, journal, now, is_led=is_led)
        if dead:
            found.append(dead)
        if journal.ends("publish"):
            break
    return found[::-1]


def dead_run(
    company: Company, home: Path, journal: Journal, now: dt.datetime, *, is_led: bool
) -> DeadRun | None:
    """The run of a journal, if it died without a word."""
    idle = now - dt.datetime.fromtimestamp(journal.last_at(), dt.UTC)
    is_waiting = idle <= (_QUEUED if is_led else _UNLED)
    if (until := journal.waits_until()) and now <= until + _UNLED:
        return None  # For a person, who knows it by an incident.
    # Of a run that has published, readers on PostgreSQL are all that may be owed.
    is_published = journal.has_ended("publish")

    def owed(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [e for e in entries if not is_published or e["stage"] == "serve"]

    if failed := owed(journal.failed()):
        # Told of, or about to be tried again, unless nobody is left to do so.
        if is_waiting or _is_told(home / company.name, journal):
            return None
        stage, item = failed[0]["stage"], failed[0]["item"]
        where = f"{f'{stage} {item}'.strip()}, which was to be tried again"
        return _dead(company, home, journal, stage, item, where)
    for start in owed(journal.begun()):
        gone = is_gone(start.get("process"))
        if gone or (gone is None and idle > _UNSEEN):
            told = f"{start['stage']} {start['item']}".strip()
            return _dead(company, home, journal, start["stage"], start["item"], told)
    has_work = any(end["figures"].get("tables") for end in journal.ends("plan"))
    if journal.begun() or journal.ends("publish") or is_waiting or not has_work:
        return None
    return _dead(company, home, journal, "publish", "", "between two tasks")


def untold(
    company: Company, home: Path, journal: Journal, fault: KithError, says: str
) -> DeadRun:
    """A run that failed and told nobody, for the command that led it.

    `fault` is what that saw of it, `says` the end of what its process has written.
    """
    failed = journal.failed()
    at = [*failed, *journal.begun(), {"stage": "plan", "item": ""}]
    first: dict[str, Any] = at[0]
    stage, item = first["stage"], first["item"]
    dead = _dead(company, home, journal, stage, item, f"{stage} {item}".strip())
    if failed and first["failure_class"] not in ("bug", "resource"):
        fault = KithError(first["reason"])
        fault.failure_class = first["failure_class"]
    elif fault.failure_class == "bug":
        reasons = (entry["reason"] for entry in failed)
        lack = lack_in("\n".join([says, *reasons])) or lack_of_room(home)
        # Of a run that had begun, its process is known to be gone.
        fault = lack or (dead.error if journal.begun() else fault)
    return replace(dead, error=fault)


def record(dead: DeadRun) -> Incident:
    """Make a dead run an incident, once: its journal says so from now on."""
    run = dead.run
    failure = describe(
        *(dead.error, dead.stage, dead.item, run.interval, run.run_id), run.company
    )
    incident = record_failure(run.folder, run.company.name, run.company, failure)
    with suppress(OSError):  # Of a full disk: the watchdog knows it by the incident.
        run.note_death(dead.stage, dead.item, dead.error)
    return incident


def _is_told(state: Path, journal: Journal) -> bool:
    """Whether an incident knows of a failure of the run, or of a later one."""
    last = dt.datetime.fromtimestamp(journal.last_at(), dt.UTC).replace(tzinfo=None)
    soon = last - dt.timedelta(minutes=1)
    return any(
        folder_name(each.run_id) == journal.run_folder.name or each.last_seen_at >= soon
        for each in incidents(state)
    )


def _dead(
    company: Company, home: Path, journal: Journal, stage: str, item: str, where: str
) -> DeadRun:
    at = dt.datetime.fromtimestamp(journal.last_at(), dt.UTC)
    first = company.first_day
    run = Run(company, Interval(first, first), journal.run_folder.name, home)
    of, again = f"COMPANY={company.folder}", "run the same days again"
    try:
        note = provenance_of(journal.run_folder)
        run = replace(run, interval=Interval(note.from_day, note.to_day))
        run = replace(run, run_id=note.run_id)
        again = f"make run {of} FROM={note.from_day} TO={note.to_day}"
    except ConfigurationError:  # It died before it had noted them.
        pass
    if stage == "serve":
        again = f"make serve {of}"
    error = OverdueError(
        f"a run died without a word, in {where}: its process is gone since "
        f"{at:%Y-%m-%d %H:%M} UTC; it was killed, for lack of memory perhaps, or the "
        f"machine or Airflow stopped; {again}, or make catch-up {of}"
    )
    thing = f"task {stage} {item}".strip()
    file = str(journal.run_folder / "journal.jsonl")
    return DeadRun(run, stage, item, error.showing(thing=thing, file=file))
