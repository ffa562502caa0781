"""Marts of many rows: Parquet files of a release, which its database reads by views.

As tables they would stand in the release twice, and writing them there takes most of a
publication. A view names its files by their absolute path, since DuckDB knows no path
from a database to the files beside it: these marts of a release that was moved, or is
seen at another path, are read from its Parquet files alone.
"""

from pathlib import Path
from typing import Any

import duckdb

from kith.database import (
    PARQUET_OF_MARTS,
    comments_sql,
    connect,
    literal,
    parquet_in,
    quote,
)

# Readers open the files of a mart beside each other.
_FILE_SIZE = "512MB"


def is_view(entry: dict[str, Any]) -> bool:
    """Whether a mart is one, by its entry in the manifest of a release."""
    return entry.get("in_database") == "view"  # Earlier versions knew tables alone.


def parquet_file(release: Path, mart: str) -> Path:
    """Where the mart `<schema>.<name>` has its Parquet file, unless it is large."""
    return _place(release, mart).with_suffix(".parquet")


def parquet_files(release: Path, mart: str) -> list[Path]:
    """The Parquet files of the mart `<schema>.<name>`; none where there is no such."""
    file = parquet_file(release, mart)
    folder = _place(release, mart)
    return [file] if file.is_file() else sorted(folder.glob("*.parquet"))


def write_large(
    connection: duckdb.DuckDBPyConnection, source: str, mart: str, release: Path
) -> None:
    """Write a mart of the database `source` into a release that is being made.

    `connection` has the release's database attached as `release`.
    """
    folder = _place(release, mart)
    folder.parent.mkdir(parents=True, exist_ok=True)
    connection.execute(
        f"copy (from {source}.{_quoted(mart)}) to {literal(str(folder))} "
        f"({PARQUET_OF_MARTS}, file_size_bytes '{_FILE_SIZE}')"
    )
    add_view(connection, mart, release)


def add_view(connection: duckdb.DuckDBPyConnection, mart: str, release: Path) -> None:
    """Let a view of the attached `release` read the Parquet files below a folder.

    The files have to be there: DuckDB looks at them.
    """
    rows = parquet_in(_place(release, mart))
    connection.execute(f"create or replace view release.{_quoted(mart)} as from {rows}")


def point_views(database: Path, release: Path, scratch: Path) -> None:
    """Let all views of a release's database read the files below another folder."""
    with connect(scratch=scratch) as connection:
        connection.execute(f"attach {literal(str(database))} as release")
        comments = comments_sql(connection, "release", "release")
        connection.execute("begin")
        for (mart,) in connection.execute(
            "select schema_name || '.' || view_name from duckdb_views() "
            "where database_name = 'release' and not internal"
        ).fetchall():
            add_view(connection, mart, release)
        connection.execute(comments)
        connection.execute("commit")
        connection.execute("checkpoint release")


def _place(release: Path, mart: str) -> Path:
    return release / "parquet" / Path(*mart.split("."))


def _quoted(mart: str) -> str:
    return ".".join(map(quote, mart.split(".")))
