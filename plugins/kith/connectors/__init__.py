"""Connectors: how the rows of a source table are fetched.

A connector is a function `(connection, company_folder, table, workspace)` that
returns a list of `Fetched`. It neither drops nor judges rows: lines that it cannot
read are handed over beside the rows. `kith.pull` knows the connectors by the name
that stands in `sources.yml`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from kith.errors import DeliveryError

ROW_NUMBER = "_kith_row"


@dataclass(frozen=True)
class Fetched:
    """What one origin (a file, later a query or an endpoint) gave.

    Attributes:
        origin: Name of the origin as people know it.
        path: Parquet file of all rows. Where a column `_kith_row` counts the rows of
            the origin from 1, it is followed; otherwise the order of the file is.
        is_original: `path` is the source's own file: to be copied, never moved.
        rows: Number of rows in `path`.
        columns: Name and DuckDB type of each column, without Kith's own.
        has_schema: False where columns are known only by the rows that fill them.
        rejects: Parquet file (row_number, error, text) of unreadable lines, if any.
        reject_count: Number of rows in `rejects`.
    """

    origin: str
    path: Path
    is_original: bool
    rows: int
    columns: dict[str, str]
    has_schema: bool = True
    rejects: Path | None = None
    reject_count: int = 0


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Turn the failure to read a delivered file into a DeliveryError."""
    try:
        yield
    except (duckdb.OutOfMemoryException, duckdb.BinderException):
        raise  # The fault is ours.
    except (duckdb.Error, OSError, EOFError, UnicodeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise DeliveryError(
            f"{where}: cannot be read, it seems truncated or damaged ({reason}); have "
            "it delivered again"
        ) from error
