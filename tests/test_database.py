"""How a busy DuckDB file is told from a broken one; comments of tables."""

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from kith.database import comments_sql, connect
from kith.errors import TransientError

HOLD = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


def test_a_file_that_another_process_holds_is_worth_a_retry(tmp_path: Path) -> None:
    path = tmp_path / "busy.duckdb"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout and holder.stdout.readline() == b"open\n"
        with pytest.raises(TransientError, match=r"busy\.duckdb: another process"):
            connect(path, scratch=tmp_path / "scratch")
    finally:
        holder.communicate()


def test_a_file_that_is_no_database_is_not(tmp_path: Path) -> None:
    path = tmp_path / "broken.duckdb"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(duckdb.IOException, match="not a valid DuckDB"):
        connect(path, scratch=tmp_path / "scratch")


def test_comments_are_copied_to_the_tables_that_are_there(tmp_path: Path) -> None:
    with connect(scratch=tmp_path) as connection:
        connection.execute(
            """
            attach ':memory:' as other;
            create schema "a b";
            create table "a b".told ("a ""key"" column" int, other_column int);
            create table bare (i int);
            create table missing (i int);
            comment on table "a b".told is 'It''s one';
            comment on column "a b".told."a ""key"" column" is 'A; key';
            comment on table missing is 'Nowhere';
            create schema other."a b";
            create table other."a b".told as from "a b".told;
            create table other.bare as from bare;
            """
        )
        connection.execute(
            comments_sql(connection, "memory", "other", {"main.bare": ["i", "j"]})
        )
        found = connection.execute(
            "select comment from duckdb_tables() where database_name = 'other' "
            "union all select comment from duckdb_columns() "
            "where database_name = 'other' and comment is not null order by all"
        ).fetchall()
    assert found == [(" Key: i, j.",), ("A; key",), ("It's one",)]
