"""How all companies stand: freshness, releases, incidents, and their runs over time."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kith.board.incidents import open_incidents, reason_of
from kith.board.standing import Release, readers_have, releases_of
from kith.company.folder import Company
from kith.errors import one_line
from kith.runs.journal import STAGES, Journal

# So many runs of a company are shown.
RUNS = 30


@dataclass(frozen=True)
class RunView:
    """One run: how it ended, seconds per stage, and what the gate and the door found.

    `quality` holds, by name, checks that passed, warned and failed, and refused rows,
    as far as the run came so far.
    """

    run_id: str
    begun_at: float
    outcome: str
    reason: str
    seconds: dict[str, float]
    quality: dict[str, int]


@dataclass(frozen=True)
class CompanyView:
    """One company; `fault` is what is wrong with its files, "" where nothing is.

    `runs` are the last ones, the oldest first; `incidents` a line for each open one.
    """

    name: str
    title: str
    owner: str
    fault: str
    is_fresh: bool | None
    readers: str
    releases: list[Release]
    incidents: list[str]
    runs: list[RunView]


def company_view(
    state: Path, name: str, company: Company | None, fault: str = ""
) -> CompanyView:
    """Read how a company stands; `state` is its folder in $KITH_HOME."""
    is_fresh, readers = readers_have(state, company)
    return CompanyView(
        name=name,
        title=company.title if company else name,
        owner=company.owner if company else "",
        fault=one_line(fault),
        is_fresh=is_fresh,
        readers=readers,
        releases=releases_of(state),
        incidents=open_incidents(state),
        runs=runs_of(state),
    )


def runs_of(state: Path) -> list[RunView]:
    """The last runs that left a journal, the oldest first."""
    journals = sorted(
        (state / "runs").glob("[!.]*/journal.jsonl"),
        key=lambda path: path.stat().st_mtime,
    )
    views = (_run_view(path.parent) for path in journals[-RUNS:])
    return sorted((view for view in views if view), key=lambda view: view.begun_at)


def _run_view(run_folder: Path) -> RunView | None:
    journal = Journal(run_folder)
    entries = list(journal.new_entries())
    if not entries:
        return None
    failed, under_way = journal.failed(), journal.under_way()
    outcome = "succeeded" if journal.has_ended("publish") else "not published"
    reason = ""
    if failed:
        outcome = "failed"
        first = failed[0]
        place = f"{first['stage']} {first['item']}".strip()
        reason = f"{place}: {reason_of(first)}"
    elif under_way:
        outcome, reason = "under way or killed", ", ".join(under_way)
    return RunView(
        run_id=run_folder.name,
        begun_at=entries[0]["at"],
        outcome=outcome,
        reason=reason,
        seconds={name: round(each, 1) for name, each in journal.seconds().items()},
        quality=_quality(run_folder, entries),
    )


def _quality(run_folder: Path, entries: Iterable[dict[str, Any]]) -> dict[str, int]:
    """What the last audit found, and the rows that the last admissions refused."""
    audit: dict[str, int] = {}
    refused: dict[str, int | None] = {}
    for entry in entries:
        if entry["event"] not in ("end", "fail"):
            continue
        figures = entry["figures"]
        if entry["stage"] == "audit":
            audit = {
                "checks passed": figures.get("passed", 0),
                "checks warned": figures.get("warnings", 0),
                "checks failed": figures.get("failed", 0)
                - figures.get("warnings", 0)
                + figures.get("broken", 0),
            }
        elif entry["stage"] == "admit":
            refused[entry["item"]] = figures.get("quarantined")
    # Where a delivery was refused as a whole, nobody has counted.
    counts = [count for count in refused.values() if count is not None]
    is_known = refused and len(counts) == len(refused)
    return {**audit, **({"rows refused": sum(counts)} if is_known else {})}


# --- charts ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Bar:
    """A rectangle of a chart, in its units, and what stands on it as a tip."""

    x: float
    y: float
    width: float
    height: float
    series: int
    tip: str


@dataclass(frozen=True)
class Chart:
    """Stacked bars, one stack per run; `most` is the height of the highest stack."""

    title: str
    names: list[str]
    bars: list[Bar]
    most: float

    WIDTH, HEIGHT = 600.0, 120.0


def seconds_chart(runs: list[RunView]) -> Chart:
    """Seconds per stage over time."""
    stacks = [(run.run_id, run.seconds) for run in runs]
    return _stacked("Seconds per stage", [*STAGES], stacks)


def quality_charts(runs: list[RunView]) -> list[Chart]:
    """What the gate found over time, without what passed, and what the door refused."""
    stacks = [(run.run_id, run.quality) for run in runs]
    return [
        _stacked("Checks of the gate", ["checks failed", "checks warned"], stacks),
        _stacked("Refused rows", ["rows refused"], stacks),
    ]


def _stacked(title: str, names: list[str], stacks: list[tuple[str, Any]]) -> Chart:
    most = max((sum(v.get(n, 0) for n in names) for _, v in stacks), default=0)
    step = Chart.WIDTH / max(len(stacks), 12)
    bars = []
    for place, (label, values) in enumerate(stacks):
        base = Chart.HEIGHT
        for series, name in enumerate(names):
            height = values.get(name, 0) * Chart.HEIGHT / most if most else 0
            if height > 0:
                base -= height
                tip = f"{label}: {name} {values[name]:,}"
                bars.append(Bar(step * place, base, step * 0.8, height, series, tip))
    return Chart(title, names, bars, most)
