"""What a run's journal says, as lines for people."""

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kith.errors import one_line
from kith.runs.run import Run

# Stages that judge deliveries.
_JUDGES = ("admit", "references")
# So many warnings of deliveries stand in a summary.
_SHOWN = 10
# So many signs of a reason stand beside its stage; all of them at the end of the run.
_BEGINNING = 160
STAGES = (
    *("plan", "pull", "admit", "build", "audit", "approve", "publish", "prune"),
    "serve",
)


class Journal:
    """Follows `journal.jsonl` of one run, and remembers what it said."""

    def __init__(self, run_folder: Path) -> None:
        self.run_folder = run_folder
        self._path = run_folder / "journal.jsonl"
        self._offset = 0
        self._entries: list[dict[str, Any]] = []

    def new_entries(self) -> Iterator[dict[str, Any]]:
        """Entries written since the last call."""
        if not self._path.is_file():
            return
        with self._path.open("rb") as journal:
            journal.seek(self._offset)
            for line in journal:
                if not line.endswith(b"\n"):
                    break  # still being written
                self._offset += len(line)
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue  # What a full disk took of a line.
                self._entries.append(entry)
                yield entry

    def failure(self) -> str | None:
        """Stage and reason of the first failure that no retry mended, and how many."""
        failed = self.failed()
        if not failed:
            return None
        others = len(failed) - 1
        more = f"; and {others} more failed, see {self._path}" if others else ""
        return f"{_name(failed[0])}: {_reason(failed[0])}{more}"

    def failed(self) -> list[dict[str, Any]]:
        """Entries of the failures that no retry mended, the first one first."""
        last: dict[tuple[str, str], dict[str, Any]] = {}
        for entry in self._entries:
            last[entry["stage"], entry["item"]] = entry
        failed = [entry for entry in last.values() if entry["event"] == "fail"]
        return sorted(failed, key=lambda entry: entry["at"])

    def has_ended(self, stage: str) -> bool:
        """Whether a stage was completed."""
        return bool(self.ends(stage))

    def under_way(self) -> list[str]:
        """Stages that have begun and not ended."""
        return [_name(entry) for entry in self.begun()]

    def begun(self) -> list[dict[str, Any]]:
        """The starts of these stages."""
        found: dict[str, dict[str, Any]] = {}
        for entry in self._entries:
            # A note within a stage does not end it.
            if entry["event"] == "start":
                found[_name(entry)] = entry
            elif entry["event"] != "note":
                found.pop(_name(entry), None)
        return list(found.values())

    def ends(self, stage: str) -> list[dict[str, Any]]:
        """The ends of a stage that succeeded, of all its items."""
        return [
            entry
            for entry in self._entries
            if (entry["stage"], entry["event"]) == (stage, "end")
        ]

    def waits_until(self) -> dt.datetime | None:
        """Until when the run waits for a person's approval; None where it does not."""
        stage = [entry for entry in self._entries if entry["stage"] == "approve"]
        if not stage or stage[-1]["event"] != "end":
            return None
        until = stage[-1]["figures"].get("waits_until")
        return dt.datetime.fromisoformat(until) if until else None

    def last_at(self) -> float:
        """Time of the last entry, in seconds of the epoch; 0 without any."""
        return max((entry["at"] for entry in self._entries), default=0.0)

    def warnings(self) -> list[str]:
        """What was warned of deliveries; where one was judged again, the last time."""
        return self._told("warnings")

    def refused(self) -> list[str]:
        """A line for each table of which rows went to quarantine; likewise."""
        return self._told("refused")

    def pruned(self) -> str:
        """What was removed after the publication, or why it could not be."""
        ends = self.ends("prune")
        if not ends:
            return ""
        figures = ends[-1]["figures"]
        if fault := figures.get("fault"):
            return f"not all that company.yml does not keep: {fault}"
        return str(figures["removed"])

    def served(self) -> list[str]:
        """Where PostgreSQL serves the release, and which logins it could not let in."""
        ends = self.ends("serve")
        if not ends:
            return []
        figures = ends[-1]["figures"]
        told = [f"{figures['server']}, schemas {', '.join(figures['schemas'])}"]
        for name, text in (
            ("logins_missing", "no such login, to be made by whoever runs the server"),
            ("logins_removed", "not declared any more, and taken out"),
        ):
            if logins := figures.get(name):
                told.append(f"{text}: {one_line(logins)}")
        return told

    def _told(self, figure: str) -> list[str]:
        told: dict[tuple[str, str], list[str]] = {}
        for entry in self._entries:
            if entry["event"] == "end" and entry["stage"] in _JUDGES:
                found = entry["figures"].get(figure, [])
                told[entry["stage"], entry["item"]] = found
        # Names of files stand in them, which may hold anything.
        return [one_line(line) for found in told.values() for line in found]

    def slowest(self, count: int) -> dict[str, float]:
        """Seconds of the slowest nodes of the build: models, tests and seeds."""
        notes = [entry for entry in self._entries if entry["event"] == "note"]
        notes.sort(key=lambda note: -note["figures"]["seconds"])
        return {note["item"]: note["figures"]["seconds"] for note in notes[:count]}

    def seconds(self) -> dict[str, float]:
        """Seconds from the first start to the last end of each stage."""
        seconds = {}
        for stage in STAGES:
            times = [e["at"] for e in self._entries if e["stage"] == stage]
            if times:
                seconds[stage] = max(times) - min(times)
        return seconds


def _name(entry: dict[str, Any]) -> str:
    return f"{entry['stage']} {entry['item']}".strip()


def _reason(entry: dict[str, Any]) -> str:
    return one_line(entry["reason"])


def describe(entry: dict[str, Any]) -> str | None:
    """One line for the end of a stage; None for its start and for notes within it."""
    if entry["event"] in ("start", "note"):
        return None
    if entry["event"] == "fail":
        reason = _reason(entry)
        if len(reason) > _BEGINNING:
            reason = f"{reason[:_BEGINNING].rstrip()} …"
        return f"  {_name(entry):<46} failed: {reason}"
    figures = ", ".join(
        f"{value:,} {name.replace('_', ' ')}"
        for name, value in entry["figures"].items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    )
    line = f"  {_name(entry):<46} {entry['seconds']:7.1f} s   {figures}".rstrip()
    if until := entry["figures"].get("waits_until"):
        line += f"\n  waits for a person's approval on Airflow's page until {until}"
    return line


def _sources(warnings: list[str]) -> list[str]:
    """Lines on what deliveries were warned of."""
    shown = [f"            warning: {warning}" for warning in warnings[:_SHOWN]]
    if warnings[_SHOWN:]:
        shown.append(
            f"            and {len(warnings) - _SHOWN} more, in the mart "
            "operations.source_warnings"
        )
    return [f"  sources   {len(warnings)} warnings", *shown]


def _refused(lines: list[str]) -> list[str]:
    """Lines on the tables of which rows were refused, those without any left out."""
    if not lines:
        return []
    return [
        "  refused   rows, which the mart operations.quarantined_rows shows:",
        *(f"            {line}" for line in lines),
    ]


def summary(run: Run, journal: Journal, total_seconds: float) -> str:
    """What a run that succeeded has published, and how long it took."""
    release = (run.published / "current").resolve()
    manifest = json.loads((release / "manifest.json").read_text())
    gate = manifest["gate"]
    stages = journal.seconds()
    others = total_seconds - sum(stages.values())
    slowest = journal.slowest(3)
    timings = [*stages.items(), ("Airflow", others), ("total", total_seconds)]
    lines = [
        f"Published: {manifest['title']}, "
        f"{run.interval.from_day} to {run.interval.to_day}",
        f"  release   {release}",
        f"  report    {release / 'report' / 'index.html'}",
        f"  gate      {gate['passed']} checks passed, {gate['warnings']} warnings",
        *(f"            warning: {warning}" for warning in gate["failed_warnings"]),
        *_sources(journal.warnings()),
        *_refused(journal.refused()),
        *(f"  postgres  {told}" for told in journal.served()),
        *([f"  pruned    {pruned}"] if (pruned := journal.pruned()) else []),
        "  seconds   " + "   ".join(f"{name} {value:.1f}" for name, value in timings),
        "  slowest   "
        + "   ".join(f"{name} {value:.1f}" for name, value in slowest.items()),
        f"  {'mart':<40} {'rows':>14}",
        *(
            f"  {name:<40} {mart['rows']:>14,}"
            for name, mart in sorted(manifest["marts"].items())
        ),
    ]
    return "\n".join(lines)
