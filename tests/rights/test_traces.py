"""Words that name a person go from texts; what only looks alike stays."""

import gzip
from pathlib import Path

import duckdb
import pytest

from kith.rights.traces import Traces, erase_from_file, holds_traces

HASH = "ab" * 32
WORDS = Traces([HASH, "ada@example.com", "+49 30 1234567", "O10001", "C1"])


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("key 'ada@example.com', row 3", "key '[erased]', row 3"),
        (f"email:{HASH} and email:{HASH[:8]}…", "email:[erased] and email:[erased]…"),
        ("called +49 30 1234567.", "called [erased]."),
        ("order O10001-2 of O10001.", "order [erased]-2 of [erased]."),
        ("O100010 and xada@example.com", "O100010 and xada@example.com"),
        ("C1 is too short", "C1 is too short"),
    ],
)
def test_words_go_whole(text: str, left: str) -> None:
    assert WORDS.removed(text) == left


def test_files_keep_their_form_rights_and_time(tmp_path: Path) -> None:
    packed, parquet = tmp_path / "a.json.gz", tmp_path / "b.parquet"
    odd, binary = tmp_path / "c.log", tmp_path / "d.bin"
    packed.write_bytes(gzip.compress(b'{"a": "O10001"}'))
    odd.write_bytes(b"\xff O10001")
    odd.chmod(0o640)
    binary.write_bytes(b"O10001")
    duckdb.sql(f"copy (select 'O10001' as a, 7 as b) to '{parquet}'")
    then = odd.stat().st_mtime_ns
    with duckdb.connect() as connection:
        found = [
            path
            for path in sorted(tmp_path.iterdir())
            if erase_from_file(connection, path, WORDS)
        ]
        assert found == [packed, parquet, odd]
        left = [holds_traces(connection, path, WORDS) for path in sorted(found)]
        assert left == [[], [], []]
        assert holds_traces(connection, binary, WORDS) == [str(binary)]
    assert gzip.decompress(packed.read_bytes()) == b'{"a": "[erased]"}'
    assert odd.read_bytes() == b"\xff [erased]"
    assert (odd.stat().st_mtime_ns, odd.stat().st_mode & 0o777) == (then, 0o640)
    assert duckdb.sql(f"from '{parquet}'").fetchall() == [("[erased]", 7)]


def test_what_is_packed_in_tables_is_found(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    with duckdb.connect(str(path)) as database:
        database.execute(f"create table t as select ['a', '{HASH}'] as values")
        database.execute("create table u as select 'O100010' as a")
    with duckdb.connect() as connection:
        found = holds_traces(connection, path, WORDS)
    assert f"{path}: main.t" in found
    assert f"{path}: main.u" not in found
