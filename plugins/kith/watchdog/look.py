"""One look at a company: fresh, whole and readable, deliveries on time, no run dead."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

from kith.company.folder import Company
from kith.database import connect, fetch_row
from kith.errors import KithError, OverdueError, ResourceError
from kith.incidents.failure import describe
from kith.incidents.history import open_incidents, record_failure, record_success
from kith.incidents.incident import Incident
from kith.incidents.readers import standing
from kith.publish.release import DATABASE, verify
from kith.runs.run import Interval, Run, current_release
from kith.watchdog.died import dead_runs, record
from kith.watchdog.due import due_day, in_words, missing_days

STAGE = "watchdog"
_SHOWN_TABLES = 5


def look(
    company: Company, home: Path, now: dt.datetime, *, is_led: bool
) -> list[Incident]:
    """Look at a company; returns what is wrong now, the dead runs last.

    What is wrong for the first time, or otherwise than before, is recorded as an
    incident; what is right again recovers. Nothing is wrong with a company that never
    ran. `is_led` as for `dead_runs`.
    """
    if not (home / company.name).is_dir():
        return []
    day = company.first_day
    run = Run(company, Interval(day, day), "", home)
    checks: dict[str, Callable[[], KithError | None]] = {
        "timeliness": lambda: _overdue(run, now),
        "release": lambda: _damaged(run),
    }
    found = [
        each
        for name, check in checks.items()
        if (each := _judged(run, name, check)) is not None
    ]
    dead = dead_runs(company, home, now, is_led=is_led)
    return found + [record(each) for each in dead]


def _judged(
    run: Run, name: str, check: Callable[[], KithError | None]
) -> Incident | None:
    """The incident of a check, None where all is well."""
    try:
        error: Exception | None = check()
    except Exception as fault:  # That it cannot look is worth telling as well.
        error = fault
    if error is None:
        record_success(run, STAGE, name)
        return None
    company = run.company
    failure = describe(error, STAGE, name, company=company)
    for known in open_incidents(run.folder):
        # A look each minute must not count each minute.
        if (known.key, known.cause) == (failure.key, failure.cause):
            return known
    return record_failure(run.folder, company.name, company, failure)


def _overdue(run: Run, now: dt.datetime) -> KithError | None:
    """Whether the release keeps its promise, and each table has the days it needs.

    Both are one thing: what did not come is not published.
    """
    readers, late = standing(run.folder, run.company, now), _late(run, now)
    is_stale = readers.is_fresh is False
    if not is_stale and not late:
        return None
    known = [e.incident_id for e in open_incidents(run.folder) if e.stage != STAGE]
    told = [
        *([readers.text] if is_stale else []),
        *([late] if late else []),
        f"open incidents: {', '.join(known)}" if known else "no task has failed",
        f"see whether Airflow runs, then make catch-up COMPANY={run.company.folder}",
    ]
    return OverdueError("; ".join(told)).showing(thing="release")


def _damaged(run: Run) -> KithError | None:
    """Whether what readers see is as its manifest says, and can be opened."""
    # A publication may switch, and remove the oldest one, while this looks.
    for _ in range(2):
        release = current_release(run.published)
        if release is None:
            return None
        error = _damage(run, run.published / release)
        if error is None or current_release(run.published) == release:
            return error
    return error


def _damage(run: Run, release: Path) -> KithError | None:
    cure = "see the disk and who has access to it, then make rollback or make run"
    if faults := verify(release):
        return ResourceError(
            f"{release}: {'; '.join(faults[:3])}; expected what its manifest.json "
            f"says; {cure}"
        ).showing(thing="release", file=str(release))
    try:
        with connect(
            release / DATABASE, scratch=run.folder / "scratch", read_only=True
        ) as opened:
            fetch_row(opened, "select release_id from _release")
    except Exception as error:
        return ResourceError(
            f"{release / DATABASE}: cannot be read ({type(error).__name__}); {cure}"
        ).showing(thing="release", file=str(release))
    return None


def _late(run: Run, now: dt.datetime) -> str:
    """Tables and days that are due and did not come, by name."""
    due = due_day(run.company, now)
    tables = list(missing_days(run, due).items()) if due else []
    if not tables:
        return ""
    told = [f"{table} lacks {in_words(days)}" for table, days in tables[:_SHOWN_TABLES]]
    others = len(tables) - _SHOWN_TABLES
    more = f" and {others} more tables" if others > 0 else ""
    return (
        f"{len(tables)} of {len(run.company.sources)} tables lack days that are due: "
        f"{', '.join(told)}{more}"
    )
