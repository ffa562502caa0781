"""How DuckDB is opened wherever rows are read or written; dbt has its profiles.yml."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from kith.errors import TransientError
from kith.settings import load_settings

# How raw and admitted Parquet is written. The second version of the format is smaller
# and quicker both to write and to read; a higher level of zstd, or dictionaries of
# columns with many values, would take half as much time again for a twentieth of size.
# Nobody looks for single values in it, which is what Bloom filters are for.
PARQUET = (
    "format parquet, parquet_version v2, compression zstd, compression_level 1, "
    "dictionary_size_limit 200, write_bloom_filter false"
)


def connect(
    path: Path | None = None, *, scratch: Path, read_only: bool = False
) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB file, or an in-memory database when `path` is None.

    `scratch` is a folder for what does not fit into memory. Extensions are never
    downloaded, and sessions run in UTC. Raises TransientError when another process has
    the file open.
    """
    try:
        connection = duckdb.connect(
            str(path) if path else ":memory:",
            read_only=read_only,
            config=configuration(scratch),
        )
    except duckdb.IOException as error:
        if "Could not set lock" in str(error):
            raise TransientError(
                f"{path}: another process has the file open; end it or wait "
                f"({' '.join(str(error).split())})"
            ) from None
        raise
    connection.execute("set TimeZone = 'UTC'")
    connection.execute("set enable_progress_bar = false")  # Logs are no screens.
    return connection


def configuration(scratch: Path) -> dict[str, Any]:
    """DuckDB's settings at the opening, which also makes the folder `scratch`."""
    settings = load_settings()
    scratch.mkdir(parents=True, exist_ok=True)
    return {
        "memory_limit": settings.memory_limit,
        "threads": settings.threads,
        "temp_directory": str(scratch),
        "autoinstall_known_extensions": False,
    }


def fetch_row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    """The only row of a query that has exactly one."""
    (row,) = connection.execute(query).fetchall()
    return row


def quote(identifier: str) -> str:
    """An SQL identifier in double quotes."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """An SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def file_literal(path: Path) -> str:
    """SQL of the path of one file to be read, which DuckDB would take for a pattern."""
    return literal(re.sub(r"([*?[])", r"[\1]", str(path)))


def parquet_sql(*paths: Path, **options: str) -> str:
    """SQL relation of the rows of Parquet files; `options` are those of DuckDB.

    Names of folders are never read as values, as DuckDB does with `year=2024`.
    """
    files = ", ".join(map(file_literal, paths))
    given = "".join(f", {name} = {value}" for name, value in options.items())
    return f"read_parquet([{files}], hive_partitioning = false{given})"


def copy_comments(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    target: str,
    keys: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Copy the comments of tables and their columns to another attached database.

    Those of tables that the other one does not have are left out. `keys` are columns by
    `<schema>.<table>`, which the comment of the table tells besides.
    """
    statements = []
    for schema, table, column, comment in connection.execute(
        """
        with described as (
            select database_name, schema_name, table_name, null as column_name, comment
            from duckdb_tables()
            union all
            select database_name, schema_name, table_name, column_name, comment
            from duckdb_columns()
            where comment is not null
        )
        select schema_name, table_name, column_name, comment
        from described
        where database_name = $source and (schema_name, table_name) in (
            select (schema_name, table_name) from duckdb_tables()
            where database_name = $target
        )
        """,
        {"source": source, "target": target},
    ).fetchall():
        place = ".".join(map(quote, (target, schema, table)))
        if column:
            place = f"column {place}.{quote(column)}"
        else:
            key = (keys or {}).get(f"{schema}.{table}")
            told = f" Key: {', '.join(key)}." if key else ""
            place, comment = f"table {place}", f"{comment or ''}{told}"
        if comment:
            statements.append(f"comment on {place} is {literal(comment)}")
    connection.execute("; ".join(statements) or "select 1")


def write_parquet(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> int:
    """Write the rows of a query to a Parquet file; returns their number."""
    (count,) = fetch_row(
        connection, f"copy ({query}) to {literal(str(path))} ({PARQUET})"
    )
    return int(count)
