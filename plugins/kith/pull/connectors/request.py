"""Connectors: how the rows of a source table are fetched.

A connector is a function that takes a `Request` and returns a list of `Fetched`. It
neither drops nor judges rows: lines that it cannot read are handed over beside the
rows. `kith.pull.table` knows the connectors by the name that stands in `sources.yml`.
"""

import datetime as dt
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from kith.company.tables import Column, SourceTable
from kith.deliveries.typed_texts import TextFacts
from kith.errors import DeliveryError, TransientError
from kith.pull.connections import Connection
from kith.runs.run import Interval
from kith.storage import state_of

ROW_NUMBER = "_kith_row"
# What Kith and DuckDB add to the columns of a delivery.
_OWN_PREFIX = "_kith_"
_OWN_NAMES = {"file_row_number", "file_index"}


@dataclass(frozen=True)
class Request:
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
        facts: What is known of its values; where texts are `typed`, they are stored as
            `kith.deliveries.typed_texts` tells.
        rejects: Parquet file (row_number, error, text) of unreadable lines, if any.
        reject_count: Number of rows in `rejects`.
        arrival_day: Day of delivery that the origin's name tells.
        rows_in_past: Number of rows that the source holds for `Request.past`, where
            `path` does not hold them and the source can be asked.
    """

    origin: str
    path: Path
    is_original: bool
    rows: int
    columns: dict[str, str]
    has_schema: bool = True
    facts: TextFacts = field(default_factory=TextFacts)
    rejects: Path | None = None
    reject_count: int = 0
    arrival_day: dt.date | None = None
    rows_in_past: int | None = None
    state: tuple[int, ...] | None = None


def columns_by_name(table: SourceTable) -> dict[str, Column]:
    """The declared column of each name, in lower case, under which it may come."""
    return {
        name.lower(): column
        for column in table.columns
        for name in [*reversed(column.rules.aliases), column.name]
    }


def number_as_declared(number: str, column: Column | None) -> str:
    """A number that was written with a point, as text of its column is declared."""
    has_comma = column is not None and column.rules.decimal == ","
    return number.replace(".", ",") if has_comma else number


def is_personal(table: SourceTable) -> bool:
    """Whether a table delivers direct identifiers, which nobody may read anywhere."""
    return any(column.rules.pii for column in table.columns)


@contextmanager
def reading(where: str, table: SourceTable) -> Iterator[None]:
    """Turn the failure to read a delivered file into a DeliveryError.

    Of a table with identifiers it tells no more than the kind of failure, since
    DuckDB's messages quote lines of data.
    """
    try:
        yield
    except (duckdb.OutOfMemoryException, duckdb.BinderException):
        raise  # The fault is ours.
    except (duckdb.Error, OSError, EOFError, UnicodeError) as error:
        shown = type(error).__name__ if is_personal(table) else str(error)
        raise DeliveryError(
            f"{where}: cannot be read, it seems truncated or damaged "
            f"({' '.join(shown.split())[:300]}); have it delivered again"
        ) from (None if is_personal(table) else error)


def check_unchanged(where: str, path: Path, state: tuple[int, ...]) -> None:
    """Raise TransientError where a file is no longer what it was."""
    if state_of(path) != state:
        raise TransientError(
            f"{where}: the file was changed while it was read; pull again when its "
            "delivery is over"
        ) from None


def is_own(name: str) -> bool:
    """Whether a column is one that Kith or DuckDB adds to those of a delivery."""
    return name.lower().startswith(_OWN_PREFIX) or name.lower() in _OWN_NAMES


def checked_names(table: SourceTable, where: str, names: Iterable[str]) -> list[str]:
    """Names of delivered columns, composed as Unicode's NFC asks.

    Raises DeliveryError where one is missing or kept for Kith, or two are the same.
    """
    composed = [unicodedata.normalize("NFC", name) for name in names]
    seen: dict[str, str] = {}
    for number, name in enumerate(composed, 1):
        lower = name.lower()
        if not name:
            raise DeliveryError(
                f"{where}: column {number} has no name; have it delivered with one"
            )
        if is_own(name):
            raise DeliveryError(
                f"{where}: a column is named '{name}', as none but Kith's own may be; "
                "have it renamed"
            )
        if lower in seen:
            pair = " and ".join(shown_names(table, [n]) for n in (seen[lower], name))
            raise DeliveryError(
                f"{where}: columns {pair} cannot be told apart, since names of columns "
                "do not mind case; have one renamed"
            )
        seen[lower] = name
    return composed


def shown_names(table: SourceTable, names: Sequence[str]) -> str:
    """Some names of delivered columns, for a message.

    Of a table with identifiers only declared ones: in a file without a header an
    address stands where a name is expected.
    """
    declared = columns_by_name(table)
    shown = [
        f"'{name[:40]}'"
        for name in names
        if not is_personal(table) or name.lower() in declared
    ]
    hidden = len(names) - len(shown)
    rest = "an undeclared name" if hidden == 1 else f"{hidden} undeclared names"
    return ", ".join([*shown[:5], *([rest] if hidden else [])])
