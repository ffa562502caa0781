"""An incident: failures of one cause, from the first one to the recovery."""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

from kith.company.alert_routes import Severity
from kith.errors import FailureClass
from kith.incidents.failure import CURES
from kith.runs.run import in_lines
from kith.settings import REPOSITORY

# The task that failed, and the source table where it is one's.
Part = tuple[str, str]


@dataclass
class Incident:
    """All that is known of it; `stage` to `effect` are those of the last failure.

    It is open while `recovered_at` is None. `broken` are the tasks and tables that have
    failed and not succeeded since, with the last day of what failed. Severity is
    `critical` once readers had no release within its promise. Times are UTC. `is_kept`
    is false where the disk took nothing of it.
    """

    incident_id: str
    company: str
    owner: str
    failure_class: FailureClass
    thing: str
    stage: str
    item: str
    from_day: dt.date | None
    to_day: dt.date | None
    run_id: str
    cause: str
    details: str
    rows: str
    file: str
    query: str
    release_id: str | None
    release_as_of_date: dt.date | None
    is_fresh: bool | None
    effect: str
    severity: Severity
    first_seen_at: dt.datetime
    last_seen_at: dt.datetime
    failure_count: int = 0
    recovered_at: dt.datetime | None = None
    is_kept: bool = True
    broken: dict[Part, dt.date | None] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What makes failures one incident: the class and the thing that is broken."""
        return f"{self.failure_class}: {self.thing}"

    @property
    def cure(self) -> str:
        """Who acts, and how."""
        return CURES[self.failure_class]

    @property
    def runbook(self) -> str:
        """The page that says what to do, within the repository."""
        return f"docs/runbooks/{self.failure_class}.md"

    @property
    def task(self) -> str:
        """Task and table that failed last."""
        return f"{self.stage} {self.item}".strip()

    @property
    def days(self) -> str:
        """The days that failed last, "" where that failed before they were known."""
        return f"{self.from_day} to {self.to_day}" if self.from_day else ""

    @property
    def seen(self) -> str:
        """How often, and since when."""
        times = f"{self.failure_count} time{'s' if self.failure_count > 1 else ''}"
        return f"{times} since {_at(self.first_seen_at)}"

    def lines(self) -> list[str]:
        """The whole incident, for a log or a message, in lines that nothing cuts."""
        run = f"run {self.run_id}" if self.run_id else ""
        rows = [
            ("company", f"{self.company}, owner {self.owner}"),
            ("failed", ", ".join(filter(None, (self.task, self.days, run)))),
            ("class", f"{self.failure_class}, {self.severity}"),
            ("cause", self.cause),
            ("details", self.details),
            ("rows", self.rows),
            ("file", self.file),
            ("query", self.query),
            ("seen", self.seen),
            ("readers", self.effect),
            ("cure", self.cure),
            ("runbook", str(REPOSITORY / self.runbook)),
        ]
        if self.recovered_at:
            rows.insert(0, ("recovered", _at(self.recovered_at)))
        told = [f"Incident {self.incident_id}"]
        for name, text in rows:
            wrapped = in_lines(text) if text else []
            begins = (f"  {name:<10}", *repeat(" " * 12, len(wrapped)))
            told += map(str.__add__, begins, wrapped)
        return told


def of_events(incident_id: str, events: Iterable[dict[str, Any]]) -> Incident | None:
    """What the events of one incident add up to, the oldest first; None without any."""
    found: Incident | None = None
    for event in events:
        at = dt.datetime.fromisoformat(event["at"])
        part = (event["stage"], event["item"])
        if event["event"] == "failure":
            now = opened_by(incident_id, event)
            if found:
                now.first_seen_at = found.first_seen_at
                now.failure_count = found.failure_count + 1
                now.broken = found.broken
                if found.severity == "critical":
                    now.severity = "critical"
            # A backfill that fails too does not make up for a newer day.
            days = [day for day in (now.broken.get(part), now.to_day) if day]
            now.broken[part] = max(days, default=None)
            found = now
        elif found:
            found.broken.pop(part, None)
            if not found.broken:
                found.recovered_at = at
    return found


def is_damaged_release(event: dict[str, Any]) -> bool:
    """Whether what failed is the release that readers have."""
    return (event["failure_class"], event["thing"]) == ("resource", "release")


def _is_urgent(event: dict[str, Any]) -> bool:
    """Whether readers lack what they were promised."""
    return event["is_fresh"] is False or is_damaged_release(event)


def opened_by(incident_id: str, event: dict[str, Any]) -> Incident:
    """The incident as its first failure makes it."""
    at = dt.datetime.fromisoformat(event["at"])
    values = {
        name: value
        for name, value in event.items()
        if name in Incident.__dataclass_fields__
    }
    for name in ("from_day", "to_day", "release_as_of_date"):
        values[name] = dt.date.fromisoformat(day) if (day := event[name]) else None
    return Incident(
        incident_id=incident_id,
        severity="critical" if _is_urgent(event) else "warning",
        first_seen_at=at,
        last_seen_at=at,
        failure_count=1,
        broken={(event["stage"], event["item"]): values["to_day"]},
        **values,
    )


def _at(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def ordered(incidents: Iterable[Incident]) -> Iterator[Incident]:
    """The open ones first, of these the critical ones, then by the last failure."""
    yield from sorted(
        incidents,
        key=lambda each: (
            each.recovered_at is not None,
            each.severity != "critical",
            -each.last_seen_at.timestamp(),
        ),
    )
