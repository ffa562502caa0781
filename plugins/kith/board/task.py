"""What is known of one task of a run: why it failed, on which rows, what to do."""

import datetime as dt
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kith.admit.faults import masked
from kith.board.incidents import incidents_of, reason_of
from kith.board.standing import Release, readers_have, releases_of
from kith.build.failing_rows import shown, without_persons
from kith.company.folder import Company
from kith.database import connect, parquet_sql
from kith.deliveries.taken import taken
from kith.errors import ConfigurationError, one_line
from kith.runs.journal import Journal
from kith.runs.provenance import Provenance, provenance_of
from kith.runs.run import folder_name

ROWS = 20
_DELIVERIES = 50
_TABLE = re.compile(r"\w+\.\w+")
_FOLDERS = {"fetch": ("pull", "admit"), "watch": ("build", "publish")}


@dataclass(frozen=True)
class Rows:
    """Rows under a heading; `query` is the SQL that finds them all."""

    title: str
    note: str
    columns: list[str]
    rows: list[list[str]]
    query: str = ""


@dataclass(frozen=True)
class TaskView:
    """All that the page of a task shows, as texts without personal data.

    `is_fresh` is None where nothing is promised, or that is unknown.
    """

    company: str
    title: str
    owner: str
    task: str
    table: str
    run_id: str
    days: str
    state: str
    failures: list[tuple[str, str, str]]
    incidents: list[list[str]]
    is_fresh: bool | None
    readers: str
    release: Release | None
    gate: str
    checks: list[Rows] = field(default_factory=list)
    refused: list[Rows] = field(default_factory=list)
    deliveries: Rows | None = None
    commands: list[tuple[str, str]] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


def task_view(
    state: Path,
    name: str,
    company: Company | None,
    run_id: str,
    task: str,
    table: str = "",
    incidents: Path | None = None,
) -> TaskView:
    """Read what the folder of a run tells of one of its tasks.

    `state` is the company's folder in $KITH_HOME and `company` what its files say now,
    None where they cannot be read. `table` is the source table of a task that has one,
    as `<source>.<table>`, and `incidents` the state whose incidents are the company's,
    if it is another.
    """
    table = table if _TABLE.fullmatch(table) else ""
    run_folder = state / "runs" / folder_name(run_id)
    note = _provenance(run_folder)
    journal = Journal(run_folder)
    entries = list(journal.new_entries())
    stages = _FOLDERS.get(task, (task,))
    releases = releases_of(state)
    is_fresh, readers = readers_have(state, company)
    return TaskView(
        company=name,
        title=company.title if company else name,
        owner=company.owner if company else "",
        task=task,
        table=table,
        run_id=run_id,
        days=f"{note.from_day} to {note.to_day}" if note else "",
        state=_state(entries, stages, table),
        failures=[
            (
                f"{each['stage']} {each['item']}".strip(),
                str(each.get("failure_class") or ""),
                reason_of(each),
            )
            for each in journal.failed()
        ],
        incidents=incidents_of(incidents or state, run_id, task, table),
        is_fresh=is_fresh,
        readers=readers,
        release=next((each for each in releases if each.is_current), None),
        gate=_gate(state, run_folder),
        checks=list(_checks(run_folder)),
        refused=list(_refused(state, run_folder, note, table)),
        deliveries=_deliveries(state, run_folder, note, table),
        commands=_commands(state, company, run_id, note),
        files=[
            str(path)
            for path in (
                run_folder / "journal.jsonl",
                run_folder / "gate_summary.md",
                run_folder / "dbt" / "output.log",
            )
            if path.is_file()
        ],
    )


def _clean(text: str) -> str:
    return without_persons(one_line(text))


def _provenance(run_folder: Path) -> Provenance | None:
    try:
        return provenance_of(run_folder)
    except ConfigurationError:
        return None


def _state(entries: list[dict[str, Any]], stages: tuple[str, ...], table: str) -> str:
    last = ""
    for entry in entries:
        is_its = entry["stage"] in stages and (not table or entry["item"] == table)
        if is_its and entry["event"] in ("start", "end", "fail"):
            last = entry["event"]
    words = {"end": "succeeded", "fail": "failed", "start": "begun, not ended"}
    return words.get(last, "has left nothing in the run's journal")


# --- the gate -------------------------------------------------------------------------


def _gate(state: Path, run_folder: Path) -> str:
    """How many checks had which outcome, as the gate wrote them."""
    file = run_folder / "gate_results.parquet"
    if not file.is_file():
        return ""
    with connect(scratch=state / "scratch") as memory:
        found = memory.execute(
            "select outcome, case when outcome = 'failed' then severity end, count(*) "
            f"from {parquet_sql(file)} group by all order by all"
        ).fetchall()
    return ", ".join(
        f"{count} {outcome.replace('_', ' ')}" + (f" ({severity})" if severity else "")
        for outcome, severity, count in found
    )


def _checks(run_folder: Path) -> Iterator[Rows]:
    """The checks that stopped the run, each with the keys of rows that it found."""
    try:
        checks = json.loads((run_folder / "failed_checks.json").read_text())
    except (OSError, ValueError):
        return
    for check in checks:
        sample = json.loads(check["sample"] or "[]")
        columns = list(sample[0]) if sample else []
        count = check["unexpected_count"]
        of = f", {count:,} of {check['row_count']:,} rows" if count else ""
        how = f"{check['outcome']}, {check['severity']}"
        yield Rows(
            title=f"{check['table_name']}: {check['expectation']}",
            note=_clean(
                f"{how}; found {check['observed']}{of}"
                + (f"; {check['cure']}" if check["cure"] else "")
            ),
            columns=columns,
            rows=[[shown(row.get(name)) for name in columns] for row in sample[:ROWS]],
            query=check["query"] or "",
        )


# --- refused rows ---------------------------------------------------------------------


def _intervals(run_folder: Path, note: Provenance | None, table: str) -> list[str]:
    """Slugs of the days of which the run judged a table; of a replay, of many."""
    took = taken(run_folder).get(table)
    if took and took.judged:
        return sorted(took.judged)
    return [f"{note.from_day:%Y%m%d}-{note.to_day:%Y%m%d}"] if note else []


def _tables(run_folder: Path, table: str) -> list[str]:
    if table:
        return [table]
    return [name for name in taken(run_folder) if _TABLE.fullmatch(name)]


def _refused(
    state: Path, run_folder: Path, note: Provenance | None, table: str
) -> Iterator[Rows]:
    """Rows in quarantine, of one table or of all of the run."""
    columns = ["file", "row_number", "column_name", "reason", "value", "expected"]
    # Also of a table that declares no person: a name may have slipped into any column.
    asked = [masked(name) if name == "value" else name for name in columns]
    for name in _tables(run_folder, table):
        folder = state.joinpath("quarantine", *name.split("."))
        files = [
            path
            for slug in _intervals(run_folder, note, name)
            if (path := folder / slug / "rows.parquet").is_file()
        ]
        if not files:
            continue
        relation = parquet_sql(*files)
        with connect(scratch=state / "scratch") as memory:
            counts = memory.execute(
                f"select count(*), reason, coalesce(column_name, '') from {relation} "
                "group by all order by all desc"
            ).fetchall()
            rows = memory.execute(
                f"select {', '.join(asked)} from {relation} "
                f"order by file, row_number limit {ROWS}"
            ).fetchall()
        if counts:
            yield Rows(
                title=f"{name}: {sum(count for count, *_ in counts):,} refused rows",
                note="; ".join(
                    f"{count:,} × {reason} {column}".strip()
                    for count, reason, column in counts
                ),
                columns=columns,
                rows=[[shown(value) for value in row] for row in rows],
                query=f"from {relation} order by file, row_number",
            )


# --- deliveries -----------------------------------------------------------------------


def _deliveries(
    state: Path, run_folder: Path, note: Provenance | None, table: str
) -> Rows | None:
    """What was pulled for the run's days, by this run and by others."""
    took = taken(run_folder)
    rows: list[list[str]] = []
    for name in _tables(run_folder, table):
        judged = took[name].judged if name in took else {}
        for slug in _intervals(run_folder, note, name):
            raw = state.joinpath("raw", *name.split("."), slug)
            for path in sorted(raw.glob("[0-9]*/manifest.json")):
                is_its = judged.get(slug) == path.parent.name
                mark = "judged by this run" if is_its else ""
                rows += _files(name, slug, path, mark)
    if not rows:
        return None
    return Rows(
        title="Deliveries of these days",
        note="" if len(rows) <= _DELIVERIES else f"the first {_DELIVERIES} files",
        columns=["table", "days", "pulled at (UTC)", "file", "rows", "bytes", ""],
        rows=rows[:_DELIVERIES],
    )


def _files(table: str, slug: str, manifest: Path, mark: str) -> Iterator[list[str]]:
    try:
        known = json.loads(manifest.read_text())
        at = dt.datetime.fromisoformat(known["delivered_at"])
        days = f"{known['from_day']} to {known['to_day']}"
        for file in known["files"]:
            yield [
                *(table, days, f"{at:%Y-%m-%d %H:%M:%S}", shown(file["origin"])),
                *(f"{file['rows']:,}", f"{file['bytes']:,}", mark),
            ]
    except (OSError, ValueError, KeyError, TypeError):
        yield [table, slug, manifest.parent.name, "(cannot be read)", "", "", mark]


# --- what to do -----------------------------------------------------------------------


def _commands(
    state: Path, company: Company | None, run_id: str, note: Provenance | None
) -> list[tuple[str, str]]:
    """What each command is for, and the command."""
    if company is None or note is None or state.parent.name == "watch":
        return []
    of = f"COMPANY={company.folder}"
    days = f"FROM={note.from_day} TO={note.to_day}"
    return [
        ("Make it again, to its failing rows", f"make reproduce {of} RUN={run_id}"),
        ("Ask the candidate", f"make shell {of} ARGS=candidate"),
        ("Run these days again, once the cause is mended", f"make run {of} {days}"),
        ("Judge what was pulled anew", f"make replay {of} {days}"),
    ]
