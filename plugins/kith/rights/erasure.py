"""Erase a person from all that Kith holds of a company, and keep them out.

First all that is to be done is written down (`erasing.json`), then an entry in
`suppressed.json`, then each place is made anew without them, and a proof is written.
Killed at any moment, the next call goes on with what was written down. Nothing in the
proof tells who it was.

What a run builds anew (the candidate, scratch, runs that were reproduced, what the
watch has pulled) goes whole; what it does not (raw, admitted and refused rows,
releases, logs) is written anew. Sources are not Kith's: the entry keeps out what they
still deliver.
"""

import datetime as dt
import fcntl
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
from pydantic import BaseModel

from kith.admit.table import finish_swaps, swap
from kith.company.tables import SourceTable
from kith.database import connect, fetch_row, parquet_sql, quote, write_parquet
from kith.deliveries.admitted import DATA, FORMER, REFUSED, Delivery, all_deliveries
from kith.deliveries.business_days import row_day_sql
from kith.deliveries.persons import (
    Mark,
    Staged,
    admitted_values,
    kept_sql,
    marks_of,
    verdict,
)
from kith.deliveries.raw import ERASING, Manifest, workspace
from kith.errors import ConfigurationError, TransientError
from kith.pull.connections import Connection
from kith.pull.pseudonyms import company_key, key_id
from kith.pull.suppression import (
    Entry,
    FoundRows,
    by_tokens,
    days_of_rows,
    digest,
    read_entries,
    rewrite_attempt,
    write_entries,
)
from kith.rights.findings import (
    Findings,
    admitted_files,
    attempts,
    find,
    numbers,
    refused_files,
    search_attempt,
)
from kith.rights.releases import Known, Rewritten, erase_from_releases
from kith.rights.request import Request, resolve
from kith.rights.staging import staged
from kith.rights.traces import Traces, erase_from_file, files_of, holds_traces
from kith.runs.journal import Journal
from kith.runs.processes import is_gone
from kith.runs.provenance import code_hash, git_commit
from kith.runs.run import Interval, Run, current_release
from kith.serve.serve import Served, serve
from kith.storage import replace_file

PROOFS = "erasures"
_LOG = "erasing.log"
# Between two tasks of a run nobody holds a lock.
_BETWEEN_TASKS = dt.timedelta(minutes=2)
# What is written anew by its rows, not as text, or is no place of Kith's.
_BY_ROWS = ("raw", "admitted", "quarantine", "published")
_NOT_KITHS = ("source_systems",)
Logs = tuple[tuple[Path, str], ...]
FindConnection = Callable[[str], Connection]
_Columns = dict[str, dict[str, list[str]]]


class Plan(BaseModel):
    """All that is to be done; it holds the person, and goes when it is done.

    `own` are tokens of each person, `tokens` those of all their rows; `written` the
    values as people wrote them. What is done stands in a log beside it (`Progress`).
    """

    begun_at: dt.datetime
    own: list[list[str]]
    tokens: list[str]
    identifiers: list[tuple[str, str]]
    person_ids: list[str]
    records: list[tuple[str, str]]
    refused: list[str]
    written: list[str]
    staged: Staged
    entries: list[int] = []
    shared: dict[str, int] = {}


class Progress:
    """What went so far, a line each, so that a kill loses no number; names nobody."""

    def __init__(self, state: Path) -> None:
        self._path = state / _LOG
        self.counts: dict[str, int] = {}
        self.releases: dict[str, dict[str, Any]] = {}
        self.deleted: set[str] = set()
        if not self._path.is_file():
            return
        for line in self._path.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):  # What a full disk took of a line.
                self._take(json.loads(line))

    def add(self, entry: dict[str, Any]) -> None:
        """Note something."""
        self._take(entry)
        with self._path.open("a", encoding="utf-8") as log:
            log.write(json.dumps(entry) + "\n")

    def end(self) -> None:
        """Forget it, once it stands in the proof."""
        self._path.unlink(missing_ok=True)

    def _take(self, entry: dict[str, Any]) -> None:
        if "release_id" in entry:
            self.releases[f"{entry['of_watch']} {entry['release_id']}"] = entry
        elif "deleted" in entry:
            self.deleted.add(entry["deleted"])
        else:
            self.counts[entry["place"]] = entry["count"]


@dataclass(frozen=True)
class Preview:
    """What an erasure would do, for people; `plan` is None where nothing is held."""

    plan: Plan
    request: Request
    findings: Findings
    unread: list[str]

    def lines(self) -> list[str]:
        """The preview as lines, without a value of anybody."""
        kinds = Counter(kind for kind, _ in self.plan.identifiers)
        lines = [
            f"{len(self.request.persons)} "
            f"person{'s' if self.request.persons[1:] else ''}, known by "
            + (
                ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items()))
                or "nothing"
            )
        ]
        lines += [f"  {remark}" for remark in self.request.remarks]
        lines.append(f"  {'table':<32}{'raw':>9}{'admitted':>10}{'mentions':>10}")
        found = self.findings
        for name in sorted(found.raw | found.admitted | found.mentions):
            counts = (found.raw[name], found.admitted[name], found.mentions[name])
            if any(counts):
                lines.append(f"  {name:<32}" + "{:>9,}{:>10,}{:>10,}".format(*counts))
        lines += [
            f"  {len(values)} {kind} beside theirs belong to others, or to nobody, and "
            "stay"
            for kind, values in sorted(found.shared.items())
        ]
        lines += [
            f"  {model}: nobody can tell of which columns it makes identifiers; "
            "declare `identifies` for them in sources.yml"
            for model in self.unread
        ]
        return lines


def preview(run: Run, file: Path | None) -> Preview:
    """Find all that is held of the persons whom a file names."""
    told, unread = staged(run.company, run.folder)
    told = _joined(told, read_entries(run.folder).staged)
    request = resolve(run, file, told)
    if not request.persons:
        raise ConfigurationError(
            f"{file}: no identifier in it names a person: {'; '.join(request.remarks)}"
        )
    own = [person.tokens for person in request.persons]
    found = find(run, set().union(*own), told)
    plan = Plan(
        begun_at=_now(),
        own=[sorted(tokens) for tokens in own],
        tokens=sorted(found.tokens),
        identifiers=sorted({i for p in request.persons for i in p.identifiers}),
        person_ids=sorted({i for p in request.persons for i in p.person_ids}),
        records=sorted(found.records),
        refused=sorted(found.refused),
        written=sorted(request.written),
        staged=told,
        shared={kind: len(values) for kind, values in sorted(found.shared.items())},
    )
    return Preview(plan, request, found, unread)


def _joined(one: Staged, other: Staged) -> Staged:
    """What both tell: a model that told it may be gone, its rows are not."""

    def union(former: _Columns, latter: _Columns) -> _Columns:
        found: _Columns = {}
        for table, columns in [*former.items(), *latter.items()]:
            for column, told in columns.items():
                known = found.setdefault(table, {}).setdefault(column, [])
                known += [each for each in told if each not in known]
        return found

    return Staged(
        kinds=union(one.kinds, other.kinds),
        references=union(one.references, other.references),
    )


def is_pending(run: Run) -> bool:
    """Whether an erasure was begun and has not ended."""
    return (run.folder / ERASING).is_file()


def erase(
    run: Run,
    file: Path | None,
    logs: Logs = (),
    say: Callable[[str], Any] = print,
    others: tuple[Path, ...] = (),
    find_connection: FindConnection | None = None,
) -> Path:
    """Erase the persons whom a file names, or go on with what was begun before.

    `logs` are folders of logs with the pattern of a company's; `others` are folders
    that are only searched. `find_connection` is needed where the company serves its
    releases from PostgreSQL. Returns the path of the proof. Raises TransientError
    while a run or another erasure is in progress.
    """
    with exclusive(run):
        pending = run.folder / ERASING
        if pending.is_file():
            say("Going on with the erasure that was begun before; FILE is not read")
            plan = Plan.model_validate_json(pending.read_text(encoding="utf-8"))
        else:
            plan = preview(run, file).plan
            company_key(f"{run.company.name}: ")
            _note(run, plan)
        return _Erasure(run, plan, logs, others, say, find_connection).run()


def _note(run: Run, plan: Plan) -> None:
    replace_file(run.folder / ERASING, plan.model_dump_json().encode(), mode=0o600)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)


class _Erasure:
    def __init__(
        self,
        run: Run,
        plan: Plan,
        logs: Logs,
        others: tuple[Path, ...],
        say: Callable[[str], Any],
        find_connection: FindConnection | None,
    ) -> None:
        self._run, self._plan, self._say = run, plan, say
        self._logs, self._others = logs, others
        self._find_connection = find_connection
        self._progress = Progress(run.folder)
        self._scratch = run.home / run.company.name / "scratch"
        self._tokens = set(plan.tokens)
        # What stands for the person alone, wherever it stands …
        ids = {value for _, value in plan.identifiers} | set(plan.person_ids)
        hashes = {each for each in ids if len(each) in (32, 64)}
        names = {w for w in plan.written if "@" in w or w.startswith("+")}
        self._traces = Traces([*hashes, *names])
        # … also in texts, and what is looked for at the end …
        spoken = {w for w in ids | set(plan.written) if not w.isdigit() or len(w) > 7}
        self._looked_for = Traces([*hashes, *spoken])
        # … and keys of their rows, in texts.
        self._words = Traces(
            [*hashes, *ids, *plan.written, *(key for _, key in plan.records)]
        )

    def run(self) -> Path:
        """Do all of it; returns the path of the proof."""
        self._suppress()
        watch = replace(self._run, home=self._run.home / "watch")
        for table in self._run.company.sources:
            self._erase_table(table)
        self._delete(
            *self._run.warehouse.parent.glob(f"{self._run.warehouse.name}*"),
            *self._run.folder.glob("scratch/*"),
            self._run.folder / ".trash",
            self._run.home / "reproduced" / self._run.company.name,
            *(
                watch.folder / name
                for name in ("raw", "admitted", "quarantine", "warehouse", "scratch")
            ),
        )
        known = Known(
            identifiers=set(self._plan.identifiers),
            person_ids=set(self._plan.person_ids),
            records=set(self._plan.records),
            refused=set(self._plan.refused),
        )
        for run in (self._run, watch):
            for done in erase_from_releases(
                run, known, self._traces, self._words, self._plan.entries
            ):
                self._say(f"  release {done.release_id} was written anew")
                self._progress.add(_of_release(run, done))
        self._erase_texts(watch)
        served = self._serve_anew()
        return self._prove(watch, served)

    # --- that nobody comes back -------------------------------------------------------

    def _suppress(self) -> None:
        if self._plan.entries:
            return
        key = company_key(f"{self._run.company.name}: ")
        held, name = read_entries(self._run.folder), key_id(key)
        held.staged = self._plan.staged
        numbers = [entry.number for entry in held.entries]
        proofs = (self._run.folder / PROOFS).glob("[0-9]*.json")
        number = max([*numbers, *(int(path.stem) for path in proofs)], default=0)
        rest = self._tokens - {token for own in self._plan.own for token in own}
        entries = []
        for place, own in enumerate(self._plan.own):
            # Which row is whose of several persons, nobody asks any more.
            tokens = {*own, *(rest if place == 0 else ())}
            digests = sorted(digest(key, token) for token in tokens)
            known = next(
                (
                    e
                    for e in held.entries
                    if e.key_id == name and {*digests} <= {*e.digests}
                ),
                None,
            )
            if known is None:
                number += 1
                known = Entry(
                    number=number,
                    suppressed_at=self._plan.begun_at,
                    key_id=name,
                    digests=digests,
                )
                held.entries.append(known)
            entries.append(known.number)
        write_entries(self._run.folder, held)
        self._plan.entries = entries
        _note(self._run, self._plan)

    # --- rows -------------------------------------------------------------------------

    def _erase_table(self, table: SourceTable) -> None:
        run, name = self._run, table.full_name
        marks = marks_of(table, self._plan.staged)
        for folder in (run.raw(name), run.admitted(name)):
            # What a pull or an admission that was killed has left.
            shutil.rmtree(folder / ".work", ignore_errors=True)
        finish_swaps(run.admitted(name))
        pulled = list(attempts(run, table))
        if marks:
            self._erase_rows(table, marks, pulled)
        with connect(scratch=self._scratch) as connection:
            # In what others wrote, and in lines that nobody could read.
            for path in self._files_of(table, pulled):
                if erase_from_file(connection, path, self._traces):
                    self._count(f"texts {name} {path.relative_to(run.folder)}", 1)
            for folder, manifest in attempts(run, table):
                rewrite_attempt(connection, run, table, folder, manifest, {})
        self._say(f"  {name}")

    def _erase_rows(
        self, table: SourceTable, marks: list[Mark], pulled: list[tuple[Path, Manifest]]
    ) -> None:
        run, name = self._run, table.full_name
        with connect(scratch=self._scratch) as connection:
            found = {
                folder: search_attempt(
                    connection, table, marks, folder, manifest, self._tokens
                )
                for folder, manifest in pulled
            }
            # Before raw, by which duplicates are counted.
            for delivery in all_deliveries(run, table):
                self._erase_delivery(connection, table, marks, delivery, pulled, found)
            for path in sorted(run.quarantine(name).glob("[0-9]*/rows.parquet")):
                self._erase_refused(connection, name, path)
            for folder, manifest in pulled:
                gone = sum(len(each.going) for each in found[folder].values())
                self._count(f"raw {name} {folder.parent.name}/{folder.name}", gone)
                rewrite_attempt(connection, run, table, folder, manifest, found[folder])

    def _files_of(
        self, table: SourceTable, pulled: list[tuple[Path, Manifest]]
    ) -> Iterator[Path]:
        yield from admitted_files(self._run, table)
        yield from refused_files(self._run, table)
        for folder, _ in pulled:
            yield from sorted(folder.glob("*.parquet"))

    def _erase_delivery(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: SourceTable,
        marks: list[Mark],
        delivery: Delivery,
        pulled: list[tuple[Path, Manifest]],
        found: dict[Path, dict[str, FoundRows]],
    ) -> None:
        """Make what was admitted of an attempt anew, and all that was counted of it."""
        moment = self._plan.begun_at.isoformat()
        if delivery.is_pruned or moment in delivery.report.get("erased_at", []):
            return
        names = [mark.column.name for mark in marks]
        matches = by_tokens(connection, self._tokens)
        rule = verdict(marks, admitted_values(table, names), matches)
        files = [p for p in delivery.folder.iterdir() if p.is_file()]
        data = [p for p in files if p.name in (DATA, FORMER)]
        (concerned,) = fetch_row(
            connection,
            "select count(*) from "
            f"{parquet_sql(*data, union_by_name='true')} where {rule.concerns}"
            if rule
            else "select 0",
        )
        refused = self._refused_in(connection, delivery.folder / REFUSED)
        raw = next(
            (
                (folder, manifest)
                for folder, manifest in pulled
                if folder.parent.name == delivery.folder.name
                and folder.name == delivery.report["attempt"]
            ),
            None,
        )
        of_raw = found[raw[0]] if raw else {}
        if not concerned and not refused and not any(f.going for f in of_raw.values()):
            return
        with workspace(self._run.folder / "scratch" / "erasing") as work:
            built = work / "interval"
            built.mkdir()
            for path in files:
                if path not in data and path.name not in (REFUSED, "days.parquet"):
                    shutil.copyfile(path, built / path.name)
            gone = Counter[dt.date | None]()
            for path in data:
                rows = parquet_sql(path)
                query = kept_sql(rows, rule) if rule else f"from {rows}"
                write_parquet(connection, query, built / path.name)
                if path.name == DATA and rule:
                    gone = self._days(connection, table, delivery, rows, rule.goes)
            of_refused = Counter[dt.date | None]()
            if (path := delivery.folder / REFUSED).is_file():
                self._write_refused(connection, path, built / REFUSED)
                for day, count in connection.execute(
                    f"select day, count(*) from {parquet_sql(path)} "
                    f"where {self._is_refused(connection)} group by all"
                ).fetchall():
                    of_refused[day] += count
            came = self._days_of_raw(connection, table, raw, of_raw)
            of_all = Counter[dt.date | None]()
            for (day, _), count in came.items():
                of_all[day] += count
            self._write_days(
                connection, table, delivery, built, (gone, of_refused, of_all)
            )
            total = max(of_all.total(), gone.total() + of_refused.total())
            report = _counted(
                delivery.report, gone.total(), of_refused.total(), total, came
            )
            report["erased_at"] = [*delivery.report.get("erased_at", []), moment]
            text = json.dumps(report, indent=2)
            (built / "report.json").write_text(text, encoding="utf-8")
            place = f"admitted {table.full_name} {delivery.folder.name}"
            self._count(place, gone.total())
            swap(built, delivery.folder)

    def _days(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: SourceTable,
        delivery: Delivery,
        rows: str,
        goes: str,
    ) -> Counter[dt.date | None]:
        zone = self._run.company.time_zone
        day = row_day_sql(table, zone, delivery.window)
        found = connection.execute(
            f"select {day}, count(*) from {rows} where {goes} group by all"
        ).fetchall()
        return Counter(dict(found))

    def _days_of_raw(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: SourceTable,
        raw: tuple[Path, Manifest] | None,
        found: dict[str, FoundRows],
    ) -> Counter[tuple[dt.date | None, dt.date | None]]:
        """All rows of an attempt that go, by their day and that on which they came."""
        days: Counter[tuple[dt.date | None, dt.date | None]] = Counter()
        folder, manifest = raw or (None, None)
        if folder is None or manifest is None:
            return days
        for file in manifest.files:
            if not found[file.stored].going:
                continue
            rows = parquet_sql(folder / file.stored, file_row_number="true")
            chosen = (
                f"(from {rows} where file_row_number in {numbers(found[file.stored])})"
            )
            days.update(
                days_of_rows(
                    connection,
                    table,
                    self._run.company.time_zone,
                    manifest.window,
                    chosen,
                    file.columns,
                    file.named_at,
                )
            )
        return days

    def _write_days(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: SourceTable,
        delivery: Delivery,
        built: Path,
        gone: tuple[Counter[dt.date | None], ...],
    ) -> None:
        """The days of a delivery, less what went of each."""
        days = parquet_sql(delivery.folder / "days.parquet")
        of_data, of_refused, of_all = gone
        cursor = table.rules.cursor
        if not cursor:  # It has one day.
            only = delivery.window.to_day
            of_data, of_refused, of_all = (
                Counter[dt.date | None]({only: each.total()}) for each in gone
            )
        values = ", ".join(
            f"(date '{day}', {of_data[day]}, {of_refused[day]}, "
            f"{max(0, of_all[day] - of_data[day] - of_refused[day])})"
            for day in {*of_data, *of_refused, *of_all}
            if day
        )
        newest = f"max({quote(cursor)})" if cursor else "max(cast(null as timestamp))"
        day_sql = row_day_sql(table, self._run.company.time_zone, delivery.window)
        if not cursor:
            day_sql = f"date '{delivery.window.to_day}'"
        write_parquet(
            connection,
            f"""
            select
                days.day,
                greatest(0, row_count - coalesce(gone.data, 0)) as row_count,
                greatest(0, quarantined_count - coalesce(gone.refused, 0))
                    as quarantined_count,
                greatest(0, duplicate_count - coalesce(gone.others, 0))
                    as duplicate_count,
                newest.newest_at
            from {days} as days
            left join (
                values {values or "(cast(null as date), 0, 0, 0)"}
            ) as gone (day, data, refused, others) on days.day = gone.day
            left join (
                select {day_sql} as day, cast({newest} as timestamp) as newest_at
                from {parquet_sql(built / DATA)} group by all
            ) as newest on days.day = newest.day
            order by days.day
            """,
            built / "days.parquet",
        )

    # --- refused rows -----------------------------------------------------------------

    def _is_refused(self, connection: duckdb.DuckDBPyConnection) -> str:
        connection.execute("create or replace temp table kith_refused (hash varchar)")
        if self._plan.refused:
            connection.execute(
                "insert into kith_refused select unnest($hashes)",
                {"hashes": self._plan.refused},
            )
        return "coalesce(payload_hash in (from kith_refused), false)"

    def _refused_in(self, connection: duckdb.DuckDBPyConnection, path: Path) -> int:
        if not path.is_file():
            return 0
        condition = self._is_refused(connection)
        (count,) = fetch_row(
            connection, f"select count(*) from {parquet_sql(path)} where {condition}"
        )
        return int(count)

    def _write_refused(
        self, connection: duckdb.DuckDBPyConnection, path: Path, target: Path
    ) -> None:
        condition = self._is_refused(connection)
        write_parquet(
            connection, f"from {parquet_sql(path)} where not {condition}", target
        )

    def _erase_refused(
        self, connection: duckdb.DuckDBPyConnection, name: str, path: Path
    ) -> None:
        count = self._refused_in(connection, path)
        if count:
            self._count(f"quarantine {name} {path.parent.name}", count)
            unfinished = path.with_name(".erased.parquet")
            self._write_refused(connection, path, unfinished)
            replace_file(path, unfinished)

    # --- what is no row ---------------------------------------------------------------

    def _delete(self, *paths: Path) -> None:
        for path in paths:
            if not path.exists():
                continue
            shown = str(path.relative_to(self._run.home))
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
            self._progress.add({"deleted": shown})

    def _texts(self, watch: Run) -> Iterator[Path]:
        """Files that are no rows: journals, artifacts, histories, incidents, logs."""
        for state in (self._run.folder, watch.folder):
            left_out = {state / name for name in (*_BY_ROWS, *_NOT_KITHS, PROOFS)}
            for path in sorted(state.glob("*")):
                own = path.name in (ERASING, _LOG, "scratch")
                if path in left_out or own or path.is_symlink():
                    continue
                yield from files_of(path) if path.is_dir() else [path]
        for folder, pattern in self._logs:
            for path in sorted(folder.glob(pattern)):
                yield from files_of(path) if path.is_dir() else [path]

    def _erase_texts(self, watch: Run) -> None:
        with connect(scratch=self._scratch) as connection:
            for path in self._texts(watch):
                if erase_from_file(connection, path, self._words):
                    shown = path.relative_to(self._run.home)
                    self._count(f"text {shown}", 1)

    # --- PostgreSQL -------------------------------------------------------------------

    def _serve_anew(self) -> Served | None:
        """Load the rewritten release, and drop the schemas of all others."""
        run = self._run
        if run.company.postgres is None or current_release(run.published) is None:
            return None
        if self._find_connection is None:
            raise ConfigurationError(
                f"{run.company.name}: it serves releases from PostgreSQL; expected its "
                "connection too"
            )
        served = serve(run, self._find_connection, kept_former=0)
        self._say(f"  PostgreSQL serves {served.release_id} anew")
        return served

    # --- proof ------------------------------------------------------------------------

    def _count(self, place: str, count: int) -> None:
        """Note what is about to go: before, so that a kill loses no number."""
        if count:
            self._progress.add({"place": place, "count": count})

    def _prove(self, watch: Run, served: Served | None) -> Path:
        """Search all once more, write the proof, and forget who it was."""
        run, plan = self._run, self._plan
        places = [run.folder, watch.folder, *self._others]
        searched, left = 0, []
        with connect(scratch=self._scratch) as connection:
            for path in files_of(*(place for place in places if place.is_dir())):
                if path.name == ERASING or set(path.parts) & set(_NOT_KITHS):
                    continue
                searched += 1
                try:
                    left += holds_traces(connection, path, self._looked_for)
                except (OSError, duckdb.Error) as error:
                    left.append(f"{path}: cannot be read ({type(error).__name__})")
        if served is not None:
            left += [
                f"PostgreSQL: schema {each}, which somebody reads or has built on; "
                "have them let go, and erase the same persons again"
                for each in served.former
            ]
        home = str(run.home)
        removed: dict[str, dict[str, dict[str, int]]] = {}
        for place, count in self._progress.counts.items():
            kind, name, *_ = place.split(" ")
            of = removed.setdefault(kind, {}).setdefault(
                name if kind != "text" else "files", {"files": 0, "rows": 0}
            )
            of["files"] += 1
            of["rows"] += 0 if kind == "text" else count
        proof = {
            "company": run.company.name,
            "entries": plan.entries,
            "begun_at": f"{plan.begun_at.isoformat(timespec='seconds')}Z",
            "ended_at": f"{_now().isoformat(timespec='seconds')}Z",
            "kith": {"git_commit": git_commit(), "code": code_hash()},
            "identifiers": dict(Counter(kind for kind, _ in plan.identifiers)),
            "removed": removed,
            "releases": [*self._progress.releases.values()],
            "deleted": sorted(self._progress.deleted),
            "shared_and_kept": plan.shared,
            "searched_files": searched,
            "left": [each.replace(home, "KITH_HOME") for each in left],
            "not_kiths": {
                table.full_name: table.rules.connector for table in run.company.sources
            },
            "served_anew": served and [served.release_id, served.schema],
        }
        path = run.folder / PROOFS / f"{plan.entries[0]:06}.json"
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if path.exists():  # Who was erased before was looked for once more.
            path = path.with_stem(f"{path.stem}_{_now():%Y%m%dT%H%M%S}")
        replace_file(path, json.dumps(proof, indent=2).encode(), mode=0o600)
        (run.folder / ERASING).unlink()
        self._progress.end()
        return path


def _of_release(run: Run, done: Rewritten) -> dict[str, Any]:
    return {
        "release_id": done.release_id,
        "of_watch": run.home.name == "watch",
        "is_current": done.is_current,
        "has_page": done.has_page,
        "rows": done.rows,
    }


def _counted(
    report: dict[str, Any],
    of_data: int,
    of_refused: int,
    total: int,
    came: Counter[tuple[dt.date | None, dt.date | None]],
) -> dict[str, Any]:
    """The report of a delivery, less what went of it."""
    told = Counter(report.get("suppressed_days", {}))
    window = Interval.from_slug(report["window"])
    late = [dict(each) for each in report["late"]]
    for (day, arrival), count in came.items():
        if day is None or day in window:
            told[(day or window.to_day).isoformat()] += count
        for each in late:
            if (each["day"], each["arrival_day"]) == (str(day), str(arrival)):
                each["rows"] -= count
    return {
        **report,
        "late": [each for each in late if each["rows"] > 0],
        "rows_delivered": report["rows_delivered"] - total,
        "admitted": report["admitted"] - of_data,
        "quarantined": report["quarantined"] - of_refused,
        "duplicates": max(0, report["duplicates"] - (total - of_data - of_refused)),
        "suppressed_rows": report.get("suppressed_rows", 0) + total,
        "suppressed_days": dict(told),
    }


# --- who else is at work --------------------------------------------------------------


@contextmanager
def exclusive(run: Run) -> Iterator[None]:
    """Keep runs and other erasures of the company away.

    Raises TransientError where one is in progress: nothing waits, so that nobody is
    erased in the middle of a run.
    """
    if busy := _run_in_progress(run):
        raise TransientError(
            f"{run.company.name}: {busy}; expected none; wait until it has ended, or "
            "stop it, and try again"
        )
    places = [run.warehouse.parent / "writer.lock"]
    for table in run.company.sources:
        for folder in (run.raw(table.full_name), run.admitted(table.full_name)):
            if folder.is_dir():
                places.append(folder / ".lock")
    watch = run.home / "watch" / run.company.name / "warehouse"
    if watch.is_dir():
        places.append(watch / "writer.lock")
    with ExitStack() as stack:
        for place in places:
            place.parent.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context(place.open("w"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise TransientError(
                    f"{place}: somebody works there, a run or another erasure; "
                    "expected nobody; wait until it has ended, and try again"
                ) from None
        yield


def _run_in_progress(run: Run) -> str:
    """Which run goes on, if one does."""
    now = _now().replace(tzinfo=dt.UTC).timestamp()
    watch = run.home / "watch" / run.company.name
    for folder in (run.folder / "runs", watch / "runs"):
        for path in folder.glob("[!.]*"):
            journal = Journal(path)
            entries = list(journal.new_entries())
            for begun in journal.begun():
                if is_gone(begun.get("process")) is False:
                    return f"run {path.name} is in progress ({begun['stage']})"
            if not entries or journal.failed() or journal.has_ended("publish"):
                continue
            planned = any(entry["stage"] == "plan" for entry in entries)
            idle = now - journal.last_at()
            is_daily = folder.parent == run.folder
            if planned and is_daily and idle < _BETWEEN_TASKS.total_seconds():
                return (
                    f"run {path.name} was at work {idle:.0f} s ago, between two tasks"
                )
    return ""
