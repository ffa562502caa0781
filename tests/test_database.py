"""How a busy DuckDB file is told from a broken one."""

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from kith.database import connect
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
