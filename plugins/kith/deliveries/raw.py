"""Raw deliveries: what each attempt to pull a table has stored, and where."""

import datetime as dt
import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from pydantic import BaseModel, ValidationError

from kith.company.tables import SourceTable
from kith.deliveries.columns import is_personal
from kith.errors import DeliveryError, TransientError
from kith.failures import lack_of
from kith.runs.run import Interval, Run

# What systems write for a day that they do not know: where their calendars begin.
PLACEHOLDERS = {
    dt.date(1601, 1, 1),
    dt.date(1753, 1, 1),
    dt.date(1899, 12, 30),
    dt.date(1899, 12, 31),
    dt.date(1900, 1, 1),
    dt.date(1904, 1, 1),
    dt.date(1970, 1, 1),
    dt.date(1980, 1, 1),
}


# Beside the intervals of a table: which attempts retention has removed.
PRUNED = "pruned.txt"


class LateRows(BaseModel):
    """Rows of a business day that came to the source on a later one."""

    day: dt.date
    arrival_day: dt.date
    rows: int
    is_out_of_window: bool


class MissedRows(BaseModel):
    """Rows of days before the window that came after these days had been pulled.

    `rows_in_past` is what the source holds of the days from `from_day` to the window;
    `rows` of them were delivered by nobody.
    """

    from_day: dt.date
    rows_in_past: int
    rows: int


class UnreachedRows(BaseModel):
    """Rows of days that no run takes: before the company's first, or after its last.

    `placeholders` counts those of days that systems write where they know none.
    """

    rows: int = 0
    from_day: dt.date
    to_day: dt.date
    placeholders: dict[dt.date, int] = {}


class PulledFile(BaseModel, extra="forbid"):
    """One file of an attempt.

    `rows_seen` counts the readable rows of the origin, `rows` those taken from it, and
    `unreached` those that no run takes. `ahead_of` is set where rows that were taken
    lie on later days than the file can know of: the first such moment. `ends_open` says
    that a text ends without a line end, perhaps before its last row. `may_hold_rows` is
    the line and column of a value whose lines look like rows. `named_at` is the day or
    moment of delivery in its name, and `same_as` an earlier origin of the attempt that
    holds the same rows. What former versions pulled tells none of the last four, nor
    `unreached`.
    """

    origin: str
    stored: str
    rows: int
    bytes: int
    sha256: str
    columns: dict[str, str]
    has_schema: bool
    has_odd_signs: bool
    rows_seen: int
    rejects: int
    rejects_stored: str | None
    ahead_of: dt.datetime | dt.date | None
    ends_open: bool = False
    may_hold_rows: str | None = None
    named_at: dt.datetime | None = None
    unreached: UnreachedRows | None = None
    same_as: str | None = None


class Manifest(BaseModel):
    """What an attempt holds, and where it comes from.

    Each row seen was taken, or belongs before or after the window, or came too late for
    any. `late` tells of those taken that came late, and of those out of the window that
    came in its days; `missed` of those that came unseen to earlier days.
    `watermark` is the newest cursor of the window, `key_id` tells which key made the
    hashes of identifiers. `suppressed_rows` counts the rows of erased persons, which
    are none of those seen; `suppressed_days` those within the window, by day.
    """

    table: str
    from_day: dt.date
    to_day: dt.date
    window_from_day: dt.date
    attempt: str
    delivered_at: dt.datetime
    files: list[PulledFile]
    rows_seen: int
    rows_taken: int
    rows_before_interval: int
    rows_after_interval: int
    rows_out_of_window: int
    late: list[LateRows]
    missed: MissedRows | None
    rejects: int
    watermark: dt.datetime | dt.date | None
    key_id: str | None
    suppressed_rows: int = 0
    suppressed_days: dict[dt.date, int] = {}

    @property
    def rows_unreached(self) -> int:
        """Rows of days that no run takes."""
        return sum(file.unreached.rows for file in self.files if file.unreached)

    @property
    def window(self) -> Interval:
        """The business days that this attempt delivers."""
        return Interval(self.window_from_day, self.to_day)


# Who was erased, see kith.pull.suppression; what an erasure has yet to do.
SUPPRESSED, KEYS, ERASING = "suppressed.json", "suppressed_keys", "erasing.json"


def is_suppressing(state: Path) -> bool:
    """Whether somebody was erased from a company's state: few ever need to look."""
    return (state / SUPPRESSED).is_file()


def check_not_erasing(state: Path) -> None:
    """Raise TransientError while somebody is being erased from a company's state."""
    if (state / ERASING).is_file():
        raise TransientError(
            f"{state / ERASING}: an erasure has begun and not ended; wait for it, or, "
            "if it was killed, end it with make erase APPLY=yes, and run again"
        )


def complete_attempts(folder: Path) -> list[Path]:
    """Folders of the complete attempts of an interval, the oldest first."""
    return sorted(path.parent for path in folder.glob("[0-9]*/manifest.json"))


def note_pruned(folder: Path, interval: str, attempt: str) -> None:
    """Note below the raw folder of a table that an attempt goes now."""
    with (folder / PRUNED).open("a", encoding="utf-8") as note:
        note.write(f"{interval}/{attempt}\n")


def pruned_attempts(folder: Path) -> list[tuple[str, str]]:
    """Interval and attempt of what was pruned of a table, below its raw folder."""
    note = folder / PRUNED
    lines = note.read_text(encoding="utf-8").split() if note.is_file() else []
    return [(slug, at) for slug, _, at in (line.partition("/") for line in lines)]


def newest_attempt(run: Run, table: str) -> tuple[Path, Manifest]:
    """Folder and manifest of the newest complete attempt for the run's interval."""
    folder = run.raw(table) / run.interval.slug
    complete = complete_attempts(folder)
    if not complete:
        raise DeliveryError(
            f"{table}: nothing was pulled for {run.interval.slug} ({folder} holds no "
            "complete attempt); run the pull of this table first"
        )
    manifest = (complete[-1] / "manifest.json").read_text()
    try:
        return complete[-1], Manifest.model_validate_json(manifest)
    except ValidationError:
        raise DeliveryError(
            f"{complete[-1]}: another version of Kith pulled it, and this one cannot "
            "read what lies there; run these days again with make run"
        ) from None


@contextmanager
def workspace(folder: Path) -> Iterator[Path]:
    """An empty folder `.work` inside `folder`, for one process at a time.

    Its lock goes with the process, so that what lies in `.work` at the start is what a
    killed process left.
    """
    folder.mkdir(parents=True, exist_ok=True)
    work = folder / ".work"
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(work, ignore_errors=True)
        # What a connector works on may hold plain identifiers.
        work.mkdir(mode=0o700)
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)


@contextmanager
def reading(where: str, table: SourceTable) -> Iterator[None]:
    """Turn the failure to read a delivered file into a DeliveryError.

    Of a table with identifiers it tells no more than the kind of failure, since
    DuckDB's messages quote lines of data. What this machine lacks, such as room on its
    disk, is a ResourceError.
    """
    try:
        yield
    except duckdb.BinderException:
        raise  # The fault is ours.
    except (duckdb.Error, OSError, EOFError, UnicodeError) as error:
        if lack := lack_of(error):
            raise lack from error
        shown = type(error).__name__ if is_personal(table) else str(error)
        raise DeliveryError(
            f"{where}: cannot be read, it seems truncated or damaged "
            f"({' '.join(shown.split())[:300]}); have it delivered again"
        ) from (None if is_personal(table) else error)
