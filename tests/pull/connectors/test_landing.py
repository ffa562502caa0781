"""What is fetched row by row lies in one Parquet file, as it came."""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kith.database import connect
from kith.pull.connectors import landing
from kith.pull.connectors.landing import columns_of, land, store_rejects

SCHEMA = pa.schema(
    {
        "Größe (cm)": pa.decimal128(9, 3),
        "local": pa.timestamp("us"),
        "utc": pa.timestamp("us", "UTC"),
        "photo": pa.binary(),
        "_kith_row": pa.int64(),
    }
)
ROW = (Decimal("1.500"), dt.datetime(2024, 3, 31, 2, 30), None, b"\xff", 1)


def batch(*rows: tuple[object, ...]) -> pa.Table:
    return pa.Table.from_pylist(
        [dict(zip(SCHEMA.names, row, strict=True)) for row in rows], SCHEMA
    )


def test_names_types_and_values_stay_as_they_came(tmp_path: Path) -> None:
    moment = dt.datetime(2024, 3, 31, 0, 30, tzinfo=dt.UTC)
    other = (None, None, moment, None, 2)
    path = land(tmp_path / "rows.parquet", SCHEMA, [batch(ROW), batch(other)])
    with connect(scratch=tmp_path / "scratch") as connection:
        assert columns_of(connection, path) == {
            **{"Größe (cm)": "DECIMAL(9,3)", "local": "TIMESTAMP"},
            **{"utc": "TIMESTAMP WITH TIME ZONE", "photo": "BLOB"},
            "_kith_row": "BIGINT",
        }
        assert connection.sql(f"from '{path}'").fetchall() == [ROW, other]


def test_without_a_row_the_columns_are_known(tmp_path: Path) -> None:
    path = land(tmp_path / "rows.parquet", SCHEMA, [])
    assert pq.read_table(path).schema.equals(SCHEMA)
    assert pq.read_table(path).num_rows == 0


def test_what_fails_on_the_way_comes_out_as_it_is(tmp_path: Path) -> None:
    class Broken(Exception):
        pass

    def batches() -> Iterator[pa.Table]:
        yield batch(ROW)
        raise Broken

    with pytest.raises(Broken):
        land(tmp_path / "rows.parquet", SCHEMA, batches())


def test_small_pages_are_stored_together_and_few_are_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landing, "_GROUP_ROWS", 10)
    pages = [batch(ROW, ROW, ROW)] * 7
    metadata = pq.read_metadata(land(tmp_path / "rows.parquet", SCHEMA, pages))
    groups = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
    assert groups == [12, 9]


@pytest.mark.parametrize("count", [0, 2])
def test_rejects_are_stored_where_there_are_any(count: int, tmp_path: Path) -> None:
    path = tmp_path / "rejects.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            f"""
            create temp table rejects as
            select {count} - n as row_number, 'why' as error, 'line' as text
            from range({count}) as numbers (n)
            """
        )
        stored, counted = store_rejects(connection, path)
    assert (stored, counted) == (path if count else None, count)
    assert path.exists() == bool(count)
    if count:
        numbers = pq.read_table(path).column("row_number").to_pylist()
        assert numbers == [1, 2]
