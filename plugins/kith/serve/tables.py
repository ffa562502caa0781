"""The tables of one release in a schema that nobody reads yet."""

from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg import sql

from kith.errors import PublicationError
from kith.serve.contents import Contents, Mart

READERS = "_readers"
STAMP = "_release"
# By these readers' rows are found, and marts joined.
_LOOKED_UP = ("customer_id", "employee_id")
_BATCH_ROWS = 65_536
_STAMP_TYPES = {
    "release_id": "text",
    "run_id": "text",
    "company": "text",
    "published_at": "timestamp without time zone",
    "data_as_of": "date",
    "checks_passed": "bigint",
    "checks_warned": "bigint",
}
_READER_TYPES = dict.fromkeys(
    ("login", "audience", "employee_id", "department"), "text"
)
_ABOUT_STAMP = "One row: which release this is, and how fresh its data are."
_ABOUT_READERS = "Who reads what; each login sees its own row."


def create_tables(
    session: psycopg.Connection[Any], schema: str, note: str, contents: Contents
) -> None:
    """Make the schema with empty tables; `note` is its comment."""
    with session.transaction():
        session.execute(
            sql.SQL("create schema {0}; comment on schema {0} is {1}").format(
                sql.Identifier(schema), sql.Literal(note)
            )
        )
        tables = {mart.name: mart.columns for mart in contents.marts}
        tables |= {STAMP: _STAMP_TYPES, READERS: _READER_TYPES}
        session.execute(
            sql.SQL("; ").join(
                _table(schema, name, columns) for name, columns in tables.items()
            )
        )
        for name, text in ((STAMP, _ABOUT_STAMP), (READERS, _ABOUT_READERS)):
            session.execute(
                sql.SQL("comment on table {} is {}").format(
                    sql.Identifier(schema, name), sql.Literal(text)
                )
            )
        stamp = {name: contents.stamp[name] for name in _STAMP_TYPES}
        session.execute(
            sql.SQL("insert into {} values ({})").format(
                sql.Identifier(schema, STAMP),
                sql.SQL(", ").join(map(sql.Literal, stamp.values())),
            )
        )


def _table(schema: str, name: str, columns: dict[str, str]) -> sql.Composed:
    listed = sql.SQL(", ").join(
        sql.SQL("{} " + kind).format(sql.Identifier(column))
        for column, kind in columns.items()
    )
    return sql.SQL("create table {} ({})").format(sql.Identifier(schema, name), listed)


def load_rows(loader: Any, schema: str, mart: Mart) -> int:
    """Append the rows of a mart's Parquet file to its table; returns their number."""
    with pq.ParquetFile(mart.parquet) as file, loader.cursor() as cursor:
        batches = pa.RecordBatchReader.from_batches(
            file.schema_arrow, file.iter_batches(_BATCH_ROWS)
        )
        count = cursor.adbc_ingest(
            mart.name, batches, mode="append", db_schema_name=schema
        )
    loader.commit()
    return int(count)


def check_rows(mart: Mart, count: int) -> None:
    """Raise PublicationError when other rows came than the manifest promises."""
    if count != mart.rows:
        raise PublicationError(
            f"{mart.full_name}: {count:,} rows came to PostgreSQL; expected "
            f"{mart.rows:,}, as the release's manifest says; run the task serve again"
        )


def finish_table(session: psycopg.Connection[Any], schema: str, mart: Mart) -> None:
    """Give a loaded table its key, indexes, comments and statistics."""
    table = sql.Identifier(schema, mart.name)
    try:
        with session.transaction():
            if key := _key(table, mart):
                session.execute(key)
    except psycopg.errors.ProgramLimitExceeded:
        pass  # Texts too long for an index: the release's own checks have judged it.
    with session.transaction():
        first = mart.key[:1] if mart.has_whole_key else ()
        for column in _LOOKED_UP:
            if column in mart.columns and (column,) != first:
                session.execute(
                    sql.SQL("create index on {} ({})").format(
                        table, sql.Identifier(column)
                    )
                )
        session.execute(_comments(sql.SQL("table"), table, mart))
        session.execute(sql.SQL("analyze {}").format(table))


def _key(table: sql.Identifier, mart: Mart) -> sql.Composed | None:
    if not mart.key:
        return None
    columns = sql.SQL(", ").join(map(sql.Identifier, mart.key))
    if mart.has_whole_key:
        return sql.SQL("alter table {} add primary key ({})").format(table, columns)
    return sql.SQL("create unique index on {} ({}) nulls not distinct").format(
        table, columns
    )


def comment_view(session: psycopg.Connection[Any], schema: str, mart: Mart) -> None:
    """Give the view of a mart that readers see its comments; no reader waits for it."""
    view = sql.Identifier(schema, mart.name)
    session.execute(_comments(sql.SQL("view"), view, mart))


def _comments(kind: sql.SQL, name: sql.Identifier, mart: Mart) -> sql.Composed:
    said = [
        sql.SQL("comment on {} {} is {}").format(kind, name, sql.Literal(mart.comment))
    ]
    for column, text in mart.comments.items():
        said.append(
            sql.SQL("comment on column {}.{} is {}").format(
                name, sql.Identifier(column), sql.Literal(text)
            )
        )
    return sql.SQL("; ").join(said)
