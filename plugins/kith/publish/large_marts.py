"""Marts of many rows: Parquet files of a release, which its database reads by views.

As tables they would stand in the release twice, and writing them there takes most of a
publication. A view names its files by their absolute path, since DuckDB knows no path
from a database to the files beside it: in a release that was moved, or is seen at
another path, it finds none. Kith itself reads by `kith.runs.marts`.
"""

from pathlib import Path

import duckdb

from kith.database import (
    PARQUET_OF_MARTS,
    comments_sql,
    connect,
    literal,
    parquet_in,
)
from kith.runs.marts import parquet_folder, quoted

# Readers open the files of a mart beside each other.
_FILE_SIZE = "512MB"


def write_large(
    connection: duckdb.DuckDBPyConnection, source: str, mart: str, release: Path
) -> None:
    """Write a mart of the database `source` into a release that is being made.

    `connection` has the release's database attached as `release`.
    """
    folder = parquet_folder(release, mart)
    folder.parent.mkdir(parents=True, exist_ok=True)
    connection.execute(
        f"copy (from {source}.{quoted(mart)}) to {literal(str(folder))} "
        f"({PARQUET_OF_MARTS}, file_size_bytes '{_FILE_SIZE}')"
    )
    add_view(connection, mart, release)


def add_view(connection: duckdb.DuckDBPyConnection, mart: str, release: Path) -> None:
    """Let a view of the attached `release` read the Parquet files below a folder.

    The files have to be there: DuckDB looks at them.
    """
    rows = parquet_in(parquet_folder(release, mart))
    connection.execute(f"create or replace view release.{quoted(mart)} as from {rows}")


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
