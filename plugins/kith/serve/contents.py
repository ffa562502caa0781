"""What a release holds, as PostgreSQL is to have it."""

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kith.database import connect
from kith.errors import PublicationError
from kith.publish.release import DATABASE, MANIFEST, verify
from kith.runs.marts import is_view, parquet_file

# Times are in UTC and without a zone, as in the file: a session's own zone would move
# evenings to another day.
_TYPES = {
    pa.string(): "text",
    pa.large_string(): "text",
    pa.bool_(): "boolean",
    pa.int16(): "smallint",
    pa.int32(): "integer",
    pa.int64(): "bigint",
    pa.float32(): "real",
    pa.float64(): "double precision",
    pa.date32(): "date",
    pa.timestamp("us"): "timestamp without time zone",
    pa.timestamp("us", "UTC"): "timestamp with time zone",
    pa.binary(): "bytea",
}


@dataclass(frozen=True)
class Mart:
    """A mart of a release: `columns` are names with PostgreSQL's types, in order.

    `key` is what tells its rows apart; `has_whole_key` says that no part of it is NULL.
    `rows_about_nobody` is an SQL condition (`kith.publish.audiences`).
    """

    schema: str
    name: str
    parquet: Path
    rows: int
    columns: dict[str, str]
    key: tuple[str, ...]
    has_whole_key: bool
    comment: str
    comments: dict[str, str]
    rows_about_nobody: str

    @property
    def full_name(self) -> str:
        """`<schema>.<name>`, as in the file."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class Contents:
    """A release that was verified; `stamp` is the row of its table `_release`.

    `left_out` are the rows of marts that are too large for PostgreSQL.
    """

    release_id: str
    as_of_date: dt.date
    marts: list[Mart]
    left_out: dict[str, int]
    stamp: dict[str, Any]


def read_contents(release: Path, scratch: Path) -> Contents:
    """Verify a release and read what it holds, without the rows.

    Raises PublicationError where it is not as its manifest says, or was written by a
    version of Kith that did not class its columns.
    """
    if faults := verify(release):
        raise PublicationError(
            f"{release}: {'; '.join(faults[:3])}; expected what its {MANIFEST} says; "
            "make rollback to another release, or make run"
        )
    manifest = json.loads((release / MANIFEST).read_text())
    if unclassed := [n for n, m in manifest["marts"].items() if "privacy" not in m]:
        raise PublicationError(
            f"{release}: was written by an earlier version of Kith, which did not say "
            f"of {unclassed[0]} and others what in them is about persons; publish a "
            "release with make run"
        )
    with connect(release / DATABASE, scratch=scratch, read_only=True) as database:
        comments = {
            f"{schema}.{table}": comment or ""
            for schema, table, comment in database.execute(
                "select schema_name, table_name, comment from duckdb_tables()"
            ).fetchall()
        }
        of_columns: dict[str, dict[str, str]] = {}
        for name, column, comment in database.execute(
            "select schema_name || '.' || table_name, column_name, comment "
            "from duckdb_columns() where comment is not null"
        ).fetchall():
            of_columns.setdefault(name, {})[column] = comment
        stamped = database.execute("from _release")
        names = [each[0] for each in stamped.description or ()]
        (values,) = stamped.fetchall()
    marts = [
        _mart(release, name, entry, comments.get(name, ""), of_columns.get(name, {}))
        for name, entry in sorted(manifest["marts"].items())
        if not is_view(entry)
    ]
    return Contents(
        release_id=manifest["release_id"],
        as_of_date=dt.date.fromisoformat(manifest["as_of_date"]),
        marts=marts,
        left_out={
            name: entry["rows"]
            for name, entry in manifest["marts"].items()
            if is_view(entry)
        },
        stamp=dict(zip(names, values, strict=True)),
    )


def _mart(
    release: Path,
    full_name: str,
    entry: dict[str, Any],
    comment: str,
    comments: dict[str, str],
) -> Mart:
    schema, name = full_name.split(".")
    parquet = parquet_file(release, full_name)
    key = tuple(entry["key"])
    with pq.ParquetFile(parquet) as file:
        columns = {field.name: _type(full_name, field) for field in file.schema_arrow}
        has_whole_key = bool(key) and not _has_nulls(file, key)
    return Mart(
        *(schema, name, parquet, entry["rows"], columns, key, has_whole_key),
        *(comment, comments, entry["privacy"]["rows_about_nobody"]),
    )


def _type(mart: str, field: pa.Field) -> str:
    """PostgreSQL's name of a column's type, as its own `format_type` writes it."""
    if pa.types.is_decimal(field.type):
        return f"numeric({field.type.precision},{field.type.scale})"
    if field.type not in _TYPES:
        raise PublicationError(
            f"{mart}.{field.name}: is {field.type}, for which PostgreSQL is told no "
            "type in plugins/kith/serve/contents.py; report it"
        )
    return _TYPES[field.type]


def _has_nulls(file: pq.ParquetFile, columns: tuple[str, ...]) -> bool:
    """Whether one of these columns holds a NULL, by what the file counted of it."""
    places = {name: place for place, name in enumerate(file.schema_arrow.names)}
    for column in columns:
        for group in range(file.metadata.num_row_groups):
            counted = file.metadata.row_group(group).column(places[column]).statistics
            if counted is not None and counted.has_null_count:
                if counted.null_count:
                    return True
            elif pc.any(pc.is_null(file.read([column])[column])).as_py():
                return True
    return False
