"""How the marts of a release are read, wherever its folder lies by now.

Of marts of many rows `kith.duckdb` has views, which name Parquet files by the path that
the release had when it was made. Kith reads these files where they are.
"""

from pathlib import Path
from typing import Any

import duckdb

from kith.database import RELATIONS, connect, literal, parquet_in, quote


def is_view(entry: dict[str, Any]) -> bool:
    """Whether a mart is one, by its entry in the manifest of a release."""
    return entry.get("in_database") == "view"  # Earlier versions knew tables alone.


def parquet_file(release: Path, mart: str) -> Path:
    """Where the mart `<schema>.<name>` has its Parquet file, unless it is large."""
    return parquet_folder(release, mart).with_suffix(".parquet")


def parquet_files(release: Path, mart: str) -> list[Path]:
    """The Parquet files of the mart `<schema>.<name>`; none where there is no such."""
    file = parquet_file(release, mart)
    folder = parquet_folder(release, mart)
    return [file] if file.is_file() else sorted(folder.glob("*.parquet"))


def parquet_folder(release: Path, mart: str) -> Path:
    """Where the mart `<schema>.<name>` has its Parquet files, if it is large."""
    return release / "parquet" / Path(*mart.split("."))


def connect_release(database: Path, *, scratch: Path) -> duckdb.DuckDBPyConnection:
    """Open the database of a release for reading, by the name that its file has."""
    connection = connect(scratch=scratch)
    attach_release(connection, database, database.stem)
    connection.execute(f"use {database.stem}")
    return connection


def attach_release(
    connection: duckdb.DuckDBPyConnection, database: Path, name: str
) -> None:
    """Attach the database of a release for reading; `detach_release` detaches it.

    One with large marts gets its name for a database in memory, whose views read the
    tables of the file, which is `<name>_file` then, and the Parquet files beside it.
    """
    release = database.parent.resolve()  # Not what is current when somebody asks.
    file = f"attach {literal(str(release / database.name))} as {{}} (read_only)"
    connection.execute(file.format(name))
    marts = connection.execute(
        "select schema_name || '.' || table_name "
        f"from {RELATIONS} where database_name = $name",
        {"name": name},
    ).fetchall()
    large = {mart for (mart,) in marts if parquet_folder(release, mart).is_dir()}
    if not large:
        return
    connection.execute(f"detach {name}; attach ':memory:' as {name}")
    connection.execute(file.format(f"{name}_file"))
    for (mart,) in marts:
        rows = f"{name}_file.{quoted(mart)}"
        if mart in large:
            rows = parquet_in(parquet_folder(release, mart))
        schema, _, _ = mart.partition(".")
        connection.execute(f"create schema if not exists {name}.{quote(schema)}")
        connection.execute(f"create view {name}.{quoted(mart)} as from {rows}")


def detach_release(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Detach what `attach_release` has attached."""
    connection.execute(f"detach {name}; detach database if exists {name}_file")


def quoted(mart: str) -> str:
    """The name `<schema>.<name>` of a mart, quoted for SQL."""
    return ".".join(map(quote, mart.split(".")))
