"""What is still to be told of incidents, and to whom.

Each route of `alerts` in company.yml hears of an incident once, however often it is
seen again, and once of its recovery, if it heard of it before. An incident that becomes
critical is told to the routes that want critical ones only. `told.json` beside the
incident's events remembers which routes have heard what; what could not be sent is
therefore still to be told, at the next occasion. Killed between the two, an alert goes
out again.
"""

import datetime as dt
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from kith.company.alert_routes import AlertRoute
from kith.company.folder import Company
from kith.incidents.history import events_folder, locked, read_incident, with_room
from kith.incidents.incident import Incident
from kith.storage import sync

# An incident that recovered so long ago is news to nobody, such as to a new route.
_LATEST = dt.timedelta(hours=24)
_TOLD = "told.json"
# Beside the events of an incident of which nothing is to be told any more.
_QUIET = "quiet"

News = Literal["failure", "recovery"]


@dataclass(frozen=True)
class Alert:
    """What is told. Names no person. `details` are for machines."""

    title: str
    text: str
    details: dict[str, Any]


@dataclass(frozen=True)
class Pending:
    """An alert that one route has not heard yet."""

    incident: Incident
    news: News
    route: AlertRoute


def pending(state: Path, company: Company) -> list[Pending]:
    """What is to be told now, the oldest incident first; `state` as for incidents."""
    if not company.alerts:
        return []
    found: list[Pending] = []
    for folder in sorted(events_folder(state).glob("[0-9]*/")):
        if (folder / _QUIET).exists():
            continue
        incident = read_incident(folder)
        if incident:
            found += _of_incident(folder, incident, company.alerts)
    return found


def remember(state: Path, told: Pending) -> None:
    """Note that a route has heard of an incident, or of its recovery."""
    folder = events_folder(state) / told.incident.incident_id
    heard = _heard(folder)
    heard.setdefault(told.route.key, []).append(told.news)
    unfinished = folder / f".{_TOLD}"

    def write() -> None:
        unfinished.write_text(json.dumps(heard), encoding="utf-8")
        sync(unfinished)
        unfinished.replace(folder / _TOLD)

    with_room(events_folder(state), write)


@contextmanager
def telling(state: Path) -> Iterator[None]:
    """Hold the right to send alerts: of two tasks that end at once, one tells."""
    with locked(state, ".telling.lock"):
        yield


def alert_of(incident: Incident, title: str) -> Alert:
    """The incident as an alert; `title` is the company's for people."""
    word = "recovered" if incident.recovered_at else incident.severity
    return Alert(
        title=f"[{word}] {title}: {incident.task} failed: {incident.cause}"[:200],
        text="\n".join(incident.lines()),
        details={
            "incident_id": incident.incident_id,
            "status": "recovered" if incident.recovered_at else "open",
            "company": incident.company,
            "owner": incident.owner,
            "severity": incident.severity,
            "failure_class": incident.failure_class,
            "thing": incident.thing,
            "task": incident.task,
            "run_id": incident.run_id,
            "cause": incident.cause,
            "effect": incident.effect,
            "runbook": incident.runbook,
            "failure_count": incident.failure_count,
            "first_seen_at": f"{incident.first_seen_at.isoformat()}Z",
            "last_seen_at": f"{incident.last_seen_at.isoformat()}Z",
            "recovered_at": f"{incident.recovered_at.isoformat()}Z"
            if incident.recovered_at
            else None,
        },
    )


def _of_incident(
    folder: Path, incident: Incident, routes: list[AlertRoute]
) -> Iterator[Pending]:
    heard = _heard(folder)
    is_left = False
    for route in routes:
        if not route.takes(incident.severity, incident.failure_class):
            continue
        news = _news(incident, heard.get(route.key, []))
        if news:
            is_left = True
            yield Pending(incident, news, route)
    if incident.recovered_at and not is_left:
        (folder / _QUIET).touch()


def _news(incident: Incident, heard: list[News]) -> News | None:
    """What one route is still to hear of an incident."""
    if incident.recovered_at is None:
        return None if "failure" in heard else "failure"
    if "recovery" in heard:
        return None
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    # Of what failed and recovered before anybody could be told, one message tells both.
    is_old = now - incident.recovered_at > _LATEST
    return None if "failure" not in heard and is_old else "recovery"


def _heard(folder: Path) -> dict[str, list[News]]:
    try:
        found: dict[str, list[News]] = json.loads((folder / _TOLD).read_text())
    # Of one that a disk has lost it is told twice rather than never.
    except (FileNotFoundError, ValueError):
        return {}
    return found
