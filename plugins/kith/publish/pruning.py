"""Retention: what no later run reads goes, as far as company.yml does not keep it.

What always stays: the newest attempt of each interval and the one whose rows are
admitted, for `make replay`; admitted rows that count, and of all deliveries what was
counted of them, by which late, missed and lost rows are found; the history; whatever
the current and the kept releases hold; the raw attempts of kept runs that failed, for
`make reproduce`. The watch clears up after itself.

Killed at any moment it leaves each thing whole or gone: a folder is renamed into
`.trash`, where nobody looks, before its files are removed, and of a delivery the rows
go first, without which it counts as pruned.
"""

import datetime as dt
import fcntl
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kith.company.retention import Keep
from kith.company.tables import SourceTable
from kith.deliveries.admitted import (
    DATA,
    FORMER,
    REFUSED,
    Delivery,
    admitted_deliveries,
    all_deliveries,
    declaration_id,
)
from kith.deliveries.raw import complete_attempts, note_pruned
from kith.deliveries.taken import taken
from kith.publish.release import remove_superseded, superseded
from kith.runs.journal import Journal
from kith.runs.run import Interval, Run

KINDS = ("releases", "raw", "admitted", "runs", "logs", "scratch")
TRASH = ".trash"
# What a process that lives may still be writing to.
_IDLE = dt.timedelta(days=1)
_REPRODUCED = dt.timedelta(days=7)
_SHOWN = 10
# A folder and the pattern of what lies in it of one run each.
Logs = tuple[tuple[Path, str], ...]
# Of a table pairs of interval and attempt.
_Attempts = set[tuple[str, str]]


@dataclass(frozen=True)
class Doomed:
    """What goes at once: paths in the order in which they go."""

    kind: str
    name: str
    paths: tuple[Path, ...]
    bytes: int


def prune(run: Run, logs: Logs, *, apply: bool) -> list[Doomed]:
    """Say what company.yml does not keep; with `apply` remove it.

    A table that is pulled or admitted just now is left for the next time.
    """
    found = _Pruning(run, logs)
    if not apply:
        return found.all()
    found.empty_trash()
    return found.remove()


def told(removed: list[Doomed]) -> str:
    """How much that is, as `2 releases, 12 raw, 31.4 MB`; nothing for nothing."""
    counts = {kind: sum(each.kind == kind for each in removed) for kind in KINDS}
    parts = [f"{count} {kind}" for kind, count in counts.items() if count]
    return ", ".join([*parts, _size(sum(each.bytes for each in removed))] * bool(parts))


def listed(removed: list[Doomed]) -> str:
    """A line for each, of each kind the largest."""
    lines = []
    for kind in KINDS:
        group = sorted(
            (each for each in removed if each.kind == kind), key=lambda e: -e.bytes
        )
        lines += [f"  {kind:<9} {_size(e.bytes):>9}  {e.name}" for e in group[:_SHOWN]]
        if rest := group[_SHOWN:]:
            size = _size(sum(each.bytes for each in rest))
            lines.append(f"  {kind:<9} {size:>9}  {len(rest)} more")
    return "\n".join(lines)


def _size(count: int) -> str:
    return f"{count / 1_000_000:,.1f} MB"


class _Pruning:
    """What of one company goes now."""

    def __init__(self, run: Run, logs: Logs) -> None:
        self._run, self._logs = run, logs
        self._keep = run.company.retention
        self._now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
        self._gone_runs = self._runs()
        self._needed = self._needed_by_failed_runs()

    def all(self) -> list[Doomed]:
        """All that would go."""
        return [
            *self._releases(),
            *(each for table in self._run.company.sources for each in self._of(table)),
            *self._others(),
        ]

    def remove(self) -> list[Doomed]:
        """Remove it; returns what is gone."""
        removed = self._releases()
        if removed:
            remove_superseded(self._run.published, self._keep.releases)
        for table in self._run.company.sources:
            with self._idle(table) as is_idle:
                for each in self._of(table) if is_idle else []:
                    self._remove(each)
                    removed.append(each)
        for each in self._others():
            self._remove(each)
            removed.append(each)
        return removed

    def empty_trash(self) -> None:
        """Remove what a prune that was killed had thrown away."""
        for trash in {self._trash(self._run.folder), *map(self._trash, self._places())}:
            shutil.rmtree(trash, ignore_errors=True)

    # --- what goes --------------------------------------------------------------------

    def _releases(self) -> list[Doomed]:
        published = self._run.published
        return [
            self._doomed("releases", published / release_id)
            for release_id in superseded(published, self._keep.releases)
        ]

    def _others(self) -> list[Doomed]:
        return [*self._gone_runs, *self._of_logs(), *self._scratch()]

    def _runs(self) -> list[Doomed]:
        folders = self._entries(self._run.run_folder.parent, "[!.]*")
        return [
            self._doomed("runs", folder)
            for folder in self._beyond(folders, self._keep.runs)
            if folder != self._run.run_folder
        ]

    def _of_logs(self) -> list[Doomed]:
        return [
            self._doomed("logs", path)
            for folder, pattern in self._logs
            for path in self._beyond(self._entries(folder, pattern), self._keep.logs)
        ]

    def _scratch(self) -> list[Doomed]:
        """What killed processes left, and runs that were reproduced a while ago."""
        reproduced = self._run.home / "reproduced" / self._run.company.name
        return [
            self._doomed("scratch", path)
            for folder, age in (
                (self._run.folder / "scratch", _IDLE),
                (reproduced, _REPRODUCED),
            )
            for path, changed in self._entries(folder, "*").items()
            if self._now - changed > age
        ]

    def _of(self, table: SourceTable) -> list[Doomed]:
        """What goes of a table's deliveries."""
        deliveries = all_deliveries(self._run, table)
        current = {each.folder.name for each in admitted_deliveries(self._run, table)}
        former = [
            each
            for each in sorted(deliveries, key=lambda each: each.interval.to_day)
            if each.folder.name not in current and _is_snapshot(table, each)
        ]
        return [
            *self._of_raw(table, deliveries, former),
            *self._of_admitted(table, former),
        ]

    def _of_raw(
        self, table: SourceTable, deliveries: list[Delivery], former: list[Delivery]
    ) -> list[Doomed]:
        name, keep = table.full_name, self._keep.raw
        admitted = {(each.folder.name, each.report["attempt"]) for each in deliveries}
        needed = self._needed.get(name, set())
        # Beside the one that counts, which is none of them.
        whole = {
            each.folder.name for each in former[: max(0, len(former) - keep.count + 1)]
        }
        newest_day = max(
            (Interval.from_slug(each.name).to_day for each in self._intervals(name)),
            default=None,
        )
        found = []
        for folder in self._intervals(name):
            attempts = complete_attempts(folder)
            is_newest = Interval.from_slug(folder.name).to_day == newest_day
            if folder.name in whole and not is_newest:
                stay = {each.name for each in attempts if self._is_young(each, keep)}
                stay |= {at for slug, at in needed if slug == folder.name}
                if attempts and not stay & {each.name for each in attempts}:
                    quarantine = self._run.quarantine(name) / folder.name
                    found.append(self._doomed("raw", folder, quarantine))
                    continue
            found += [
                self._doomed("raw", each)
                for each in attempts[: -keep.count]
                if (folder.name, each.name) not in admitted | needed
                and not self._is_young(each, keep)
            ]
        return found

    def _of_admitted(self, table: SourceTable, former: list[Delivery]) -> list[Doomed]:
        keep = self._keep.admitted
        gone = former[: max(0, len(former) - keep.count + 1)]
        return [
            self._doomed("admitted", *rows, name=each.folder)
            for each in gone
            if self._now - each.delivered_at > dt.timedelta(days=keep.days)
            for rows in [[each.folder / part for part in (DATA, FORMER, REFUSED)]]
            if any(path.is_file() for path in rows)
        ]

    def _needed_by_failed_runs(self) -> dict[str, _Attempts]:
        needed: dict[str, _Attempts] = {}
        gone = {path for each in self._gone_runs for path in each.paths}
        for folder in self._entries(self._run.run_folder.parent, "[!.]*"):
            if folder in gone or has_published(folder):
                continue
            for name, each in taken(folder).items():
                needed.setdefault(name, set()).update(each.attempts)
        return needed

    # --- how old ----------------------------------------------------------------------

    def _entries(self, folder: Path, pattern: str) -> dict[Path, dt.datetime]:
        """What lies in a folder, and when something in it was last changed."""
        return {path: _changed(path) for path in sorted(folder.glob(pattern))}

    def _beyond(self, entries: dict[Path, dt.datetime], keep: Keep) -> list[Path]:
        """Those that are not among the newest and that nobody writes to any more."""
        age = max(_IDLE, dt.timedelta(days=keep.days))
        newest_first = sorted(entries, key=lambda path: entries[path], reverse=True)
        return [
            path
            for path in newest_first[keep.count :]
            if self._now - entries[path] > age
        ]

    def _is_young(self, attempt: Path, keep: Keep) -> bool:
        pulled_at = dt.datetime.strptime(attempt.name, "%Y%m%dT%H%M%S%f")
        return self._now - pulled_at < dt.timedelta(days=keep.days)

    def _intervals(self, table: str) -> list[Path]:
        return sorted(self._run.raw(table).glob("[0-9]*-[0-9]*"))

    # --- how it goes ------------------------------------------------------------------

    def _doomed(self, kind: str, *paths: Path, name: Path | None = None) -> Doomed:
        shown = str((name or paths[0]).relative_to(self._run.home))
        size = sum(map(_bytes, paths))
        return Doomed(kind, shown, tuple(paths), size)

    def _remove(self, doomed: Doomed) -> None:
        if doomed.kind == "raw":
            _note_attempts(doomed.paths[0])
        for path in doomed.paths:
            if path.is_dir() and not path.is_symlink():
                trash = self._trash(path)
                trash.mkdir(mode=0o700, exist_ok=True)
                thrown = trash / f"{path.name}-{secrets.token_hex(4)}"
                path.rename(thrown)
                shutil.rmtree(thrown, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def _trash(self, path: Path) -> Path:
        """The company's trash, in its state or beside what it shares with others."""
        if path.is_relative_to(self._run.folder):
            return self._run.folder / TRASH
        shared = self._run.home / path.relative_to(self._run.home).parts[0]
        return shared / f"{TRASH}-{self._run.company.name}"

    def _places(self) -> list[Path]:
        folders = [folder for folder, _ in self._logs]
        return [*folders, self._run.home / "reproduced" / self._run.company.name]

    @contextmanager
    def _idle(self, table: SourceTable) -> Iterator[bool]:
        """Hold what pull and admit of a table hold; False where one is at work."""
        name, locks = table.full_name, []
        try:
            for folder in (self._run.raw(name), self._run.admitted(name)):
                if not folder.is_dir():
                    continue
                lock = (folder / ".lock").open("w")
                locks.append(lock)
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield True
        except BlockingIOError:
            yield False
        finally:
            for lock in locks:
                lock.close()


def _note_attempts(path: Path) -> None:
    """Note which attempts go, of an attempt's folder or an interval's."""
    is_attempt = (path / "manifest.json").is_file()
    for attempt in [path] if is_attempt else complete_attempts(path):
        interval = attempt.parent
        note_pruned(interval.parent, interval.name, attempt.name)


def has_published(run_folder: Path) -> bool:
    """Whether a run came to its end; one that was killed did not."""
    journal = Journal(run_folder)
    entries = list(journal.new_entries())
    ended = any(e["stage"] == "publish" and e["event"] == "end" for e in entries)
    return ended and journal.failure() is None and not journal.under_way()


def _is_snapshot(table: SourceTable, delivery: Delivery) -> bool:
    """Whether it was delivered whole, by the declaration under which it was admitted.

    What a table with a cursor holds must not go because the cursor was taken out by
    mistake.
    """
    if table.rules.cursor:
        return False
    is_alike = delivery.report["declaration"] == declaration_id(table)
    return bool(delivery.report.get("is_snapshot", is_alike))


def _changed(path: Path) -> dt.datetime:
    newest = max((_modified(each) for each in [path, *path.rglob("*")]), default=0.0)
    return dt.datetime.fromtimestamp(newest, dt.UTC).replace(tzinfo=None)


def _modified(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except FileNotFoundError:  # Somebody else clears up as well.
        return 0.0


def _bytes(path: Path) -> int:
    total = 0
    for each in [path, *path.rglob("*")]:
        try:
            if each.is_file() and not each.is_symlink():
                total += each.stat().st_size
        except FileNotFoundError:
            continue
    return total
