"""A release is read where it is, and as it was when it was opened."""

import shutil
from pathlib import Path

import duckdb
import pytest

from kith.database import parquet_in
from kith.runs.marts import (
    attach_release,
    connect_release,
    detach_release,
    parquet_folder,
)

SALES = "customer.daily sales"


def release(folder: Path, day: int) -> Path:
    """A release of two tables and a large mart, all of one day."""
    parts = parquet_folder(folder, SALES)
    parts.mkdir(parents=True)
    with duckdb.connect(str(folder / "kith.duckdb")) as database:
        database.execute(
            f"create table _release as select {day} as day; create schema customer; "
            f"create table customer.customers as select {day} as day; "
            f"copy (select {day} as day) to '{parts}/data_0.parquet'; "
            f"copy (select {day} as day) to '{parts}/data_1.parquet'; "
            f'create view customer."daily sales" as from {parquet_in(parts)}'
        )
    return folder / "kith.duckdb"


def days(database: duckdb.DuckDBPyConnection, schema: str = "customer") -> list[int]:
    rows = database.execute(
        f'from {schema}."daily sales" union all from {schema}.customers'
    )
    return [day for (day,) in rows.fetchall()]


def test_a_release_that_was_moved_is_read_where_it_is(tmp_path: Path) -> None:
    release(tmp_path / "made", 1)
    (tmp_path / "made").rename(tmp_path / "it's [here]")
    database = tmp_path / "it's [here]" / "kith.duckdb"
    with (
        duckdb.connect(str(database), read_only=True) as plain,
        pytest.raises(duckdb.IOException, match="No files found"),
    ):
        plain.execute('from customer."daily sales"')
    with connect_release(database, scratch=tmp_path / "scratch") as opened:
        assert days(opened) == days(opened, "kith.customer") == [1, 1, 1]
        assert opened.execute("from _release").fetchall() == [(1,)]
        with pytest.raises(duckdb.Error, match="is not an table"):
            opened.execute("insert into customer.customers values (2)")


def test_what_is_open_stays_one_release_when_the_pointer_moves(tmp_path: Path) -> None:
    for day in (1, 2):
        release(tmp_path / f"release_{day}", day)
    pointer = tmp_path / "current"
    pointer.symlink_to("release_1")
    opened = connect_release(pointer / "kith.duckdb", scratch=tmp_path / "scratch")
    pointer.unlink()
    pointer.symlink_to("release_2")
    with opened:
        assert days(opened) == [1, 1, 1]


def test_releases_are_attached_one_after_the_other(tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        before = connection.execute("show databases").fetchall()
        for day in (1, 2):
            path = release(tmp_path / str(day), day)
            attach_release(connection, path, "former")
            assert days(connection, "former.customer") == [day] * 3
            detach_release(connection, "former")
            assert connection.execute("show databases").fetchall() == before


def test_a_release_of_tables_alone_is_its_file(tmp_path: Path) -> None:
    path = release(tmp_path / "made", 1)
    shutil.rmtree(parquet_folder(path.parent, SALES))
    with duckdb.connect(str(path)) as database:
        database.execute('drop view customer."daily sales"')
    with connect_release(path, scratch=tmp_path / "scratch") as opened:
        assert opened.execute("show databases").fetchall() == [("kith",), ("memory",)]
        with pytest.raises(duckdb.InvalidInputException, match="read-only"):
            opened.execute("insert into customer.customers values (2)")
