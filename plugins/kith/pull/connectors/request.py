"""Connectors: how the rows of a source table are fetched.

A connector is a function that takes a `FetchRequest` and returns a list of `Fetched`.
It neither drops nor judges rows: lines that it cannot read are handed over beside the
rows. `kith.pull.table` knows the connectors by the name that stands in `sources.yml`.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from kith.company.tables import SourceTable
from kith.deliveries.raw import UnreachedRows
from kith.errors import TransientError
from kith.pull.connections import Connection
from kith.runs.run import Interval
from kith.storage import state_of


@dataclass(frozen=True)
class FetchRequest:
    """What is to be fetched, and where a connector may work.

    Attributes:
        table: The table as declared.
        company_folder: What a relative path starts from.
        time_zone: The company's, in which `window` counts.
        window: Business days whose rows are wanted: the interval and its look-back. A
            connector may hand over more, never less; rows whose cursor is NULL are
            handed over always.
        past: Earlier business days that were pulled before, all in a row up to the
            window; None when there are none.
        reach: The first and the last business day that any run may take, or None where
            there is no such end.
        workspace: Empty folder for files that may be lost.
        duckdb: Connection to work with.
        find_connection: Gives the Airflow connection of an id.
    """

    table: SourceTable
    company_folder: Path
    time_zone: str
    window: Interval
    past: Interval | None
    workspace: Path
    duckdb: duckdb.DuckDBPyConnection
    find_connection: Callable[[str], Connection]
    reach: tuple[dt.date | None, dt.date | None] = (None, None)


@dataclass(frozen=True)
class Fetched:
    """What one origin (a file, later a query or an endpoint) gave.

    Attributes:
        origin: Name of the origin as people know it.
        path: Parquet file of all rows. Where a column `_kith_row` counts the rows of
            the origin from 1, it is followed; otherwise the order of the file is.
        is_original: `path` is the source's own file: to be copied, never moved.
        state: What `state_of` told of that file before it was read.
        rows: Number of rows in `path`.
        columns: Name and DuckDB type of each column as it came, without Kith's own.
        has_schema: False where columns are known only by the rows that fill them.
        has_odd_signs: False where it is known that no value holds a control character,
            white space but blanks and ends of lines, or a replacement character.
        ends_open: Whether a text ends without a line end, so that nothing tells whether
            its last row is the last indeed.
        may_hold_rows: Where a value of several lines begins that look like rows of the
            file: its line and column.
        rejects: Parquet file (row_number, error, text) of unreadable lines, if any.
        reject_count: Number of rows in `rejects`.
        named_at: Day of delivery, or moment, that the origin's name tells.
        rows_in_past: Number of rows that the source holds for the request's `past`,
            where `path` does not hold them and the source can be asked.
        unreached: Rows beyond the request's `reach`, likewise.
    """

    origin: str
    path: Path
    is_original: bool
    rows: int
    columns: dict[str, str]
    has_schema: bool = True
    has_odd_signs: bool = True
    ends_open: bool = False
    may_hold_rows: str | None = None
    rejects: Path | None = None
    reject_count: int = 0
    named_at: dt.datetime | None = None
    rows_in_past: int | None = None
    unreached: UnreachedRows | None = None
    state: tuple[int, ...] | None = None

    @property
    def arrival_day(self) -> dt.date | None:
        """Day of delivery that the origin's name tells."""
        return self.named_at.date() if self.named_at else None


def check_unchanged(where: str, path: Path, state: tuple[int, ...]) -> None:
    """Raise TransientError where a file is no longer what it was."""
    if state_of(path) != state:
        raise TransientError(
            f"{where}: the file was changed while it was read; pull again when its "
            "delivery is over"
        ) from None
