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

# How the marts of a release are written, for any reader: level 1 takes two thirds of
# the time of the default and 8 % more room.
PARQUET_OF_MARTS = "format parquet, compression zstd, compression_level 1"

# Tables of all attached databases, and views of rows that lie in Parquet files.
RELATIONS = """(
    select database_name, schema_name, table_name, comment, 'table' as kind
    from duckdb_tables()
    union all
    select database_name, schema_name, view_name, comment, 'view'
    from duckdb_views() where not internal
)"""


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


def parquet_in(folder: Path) -> str:
    """SQL relation of the rows of all Parquet files of a folder; see parquet_sql."""
    files = f"{file_literal(folder)[:-1]}/*.parquet'"
    return f"read_parquet({files}, hive_partitioning = false)"


def comments_sql(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    target: str,
    keys: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """SQL that gives tables, views and columns the comments of another database's.

    Both are attached. What the target does not have is left out. `keys` are columns by
    `<schema>.<table>`, which the comment of the table tells besides.
    """
    statements = []
    for kind, schema, table, column, comment in connection.execute(
        f"""
        with described as (
            select database_name, schema_name, table_name, null as column_name, comment
            from {RELATIONS}
            union all
            select database_name, schema_name, table_name, column_name, comment
            from duckdb_columns()
            where comment is not null
        )
        select there.kind, schema_name, table_name, column_name, described.comment
        from described
        inner join {RELATIONS} as there using (schema_name, table_name)
        where described.database_name = $source and there.database_name = $target
        """,
        {"source": source, "target": target},
    ).fetchall():
        place = ".".join(map(quote, (target, schema, table)))
        if column:
            place = f"column {place}.{quote(column)}"
        else:
            key = (keys or {}).get(f"{schema}.{table}")
            told = f" Key: {', '.join(key)}." if key else ""
            place, comment = f"{kind} {place}", f"{comment or ''}{told}"
        if comment:
            statements.append(f"comment on {place} is {literal(comment)}")
    return "; ".join(statements) or "select 1"


def write_parquet(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> int:
    """Write the rows of a query to a Parquet file; returns their number."""
    (count,) = fetch_row(
        connection, f"copy ({query}) to {literal(str(path))} ({PARQUET})"
    )
    return int(count)
