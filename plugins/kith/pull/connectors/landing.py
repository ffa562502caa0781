"""Fetched rows as one Parquet file, and what is known of that file."""

from collections.abc import Iterable
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from kith.database import fetch_row, file_literal, parquet_sql, write_parquet
from kith.deliveries.columns import ROW_NUMBER
from kith.pull.connectors.request import Fetched, FetchRequest

# Pages of a web service may hold a hundred rows, a row group of Parquet should not.
_GROUP_ROWS = 20_000


def land(path: Path, schema: pa.Schema, batches: Iterable[pa.Table]) -> Path:
    """Write batches of that schema to one Parquet file, holding few of them at a time.

    What `batches` raises comes out as it is.
    """
    held: list[pa.Table] = []
    with pq.ParquetWriter(
        path, schema, compression="zstd", compression_level=1
    ) as writer:
        for batch in batches:
            held.append(batch)
            if sum(map(len, held)) >= _GROUP_ROWS:
                writer.write_table(pa.concat_tables(held))
                held.clear()
        if held:
            writer.write_table(pa.concat_tables(held))
    return path


def columns_of(connection: duckdb.DuckDBPyConnection, path: Path) -> dict[str, str]:
    """Name and type of the columns of a Parquet file."""
    described = connection.execute(f"describe from {parquet_sql(path)}").fetchall()
    return {row[0]: row[1] for row in described}


def store_rejects(
    connection: duckdb.DuckDBPyConnection, path: Path
) -> tuple[Path | None, int]:
    """Write the table `rejects` to a Parquet file; its path and number of rows."""
    (count,) = fetch_row(connection, "select count(*) from rejects")
    if count:
        write_parquet(connection, "from rejects order by row_number", path)
    return (path if count else None), count


def of_parquet(
    request: FetchRequest,
    origin: str,
    path: Path,
    rejected: tuple[Path | None, int] = (None, 0),
    *,
    has_schema: bool = True,
    is_original: bool = False,
    has_odd_signs: bool = True,
    ends_open: bool = False,
    may_hold_rows: str | None = None,
    rows_in_past: int | None = None,
) -> Fetched:
    """What was fetched into that file; `rejected` is what `store_rejects` gives."""
    columns = columns_of(request.duckdb, path)
    columns.pop(ROW_NUMBER, None)
    (rows,) = fetch_row(
        request.duckdb,
        f"select num_rows from parquet_file_metadata({file_literal(path)})",
    )
    rejects, reject_count = rejected
    return Fetched(
        origin,
        path,
        is_original,
        rows,
        columns,
        has_schema=has_schema,
        has_odd_signs=has_odd_signs,
        ends_open=ends_open and rows > 0,
        may_hold_rows=may_hold_rows,
        rejects=rejects,
        reject_count=reject_count,
        rows_in_past=rows_in_past,
    )
