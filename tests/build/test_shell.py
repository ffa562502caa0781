"""SQL on a DuckDB file, from the standard input."""

import io
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from kith.build.shell import open_shell
from kith.errors import ConfigurationError


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "kith.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table towns as select 'Oslo' as town")
    return path


def answer(database: Path, sql: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(sql))
    return open_shell(database, database.parent / "scratch")


def test_each_statement_is_answered(
    database: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sql = "select town\nfrom towns;\n\nselect 17 + 4 as n; select 'last' as word"
    assert answer(database, sql, monkeypatch) == 0
    output = capsys.readouterr().out
    assert all(text in output for text in ("Oslo", "21", "last"))
    assert "sql>" not in output


def test_nothing_can_be_written(
    database: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sql = "insert into towns values ('Bern');\nselect 'after the error' as word;"
    assert answer(database, sql, monkeypatch) == 1
    output, errors = capsys.readouterr()
    assert "read-only" in errors
    assert "after the error" not in output


def test_what_is_not_there_is_named_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigurationError, match=r"no\.duckdb: not found; .*make run"):
        answer(tmp_path / "no.duckdb", "", monkeypatch)


def test_the_command_takes_the_candidate_a_release_or_the_current_one(
    database: Path,
    tmp_path: Path,
    kith_command: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    state = tmp_path / "home" / "corner_shop"
    for place in ("warehouse/kith_build.duckdb", "published/of_may/kith.duckdb"):
        (state / place).parent.mkdir(parents=True)
        shutil.copy(database, state / place)
    environment = {
        "KITH_HOME": str(tmp_path / "home"),
        "COMPANY": "tests/companies/corner_shop",
    }

    def errors(command: str, **given: str) -> str:
        return kith_command(command, **environment, **given).stderr

    assert errors("shell", ARGS="candidate") == ""
    assert errors("shell", RELEASE="of_may") == ""
    assert "published/current/kith.duckdb: not found" in errors("shell")
    assert "expected ARGS=candidate" in errors("shell", ARGS="release")
    assert 'make dbt ARGS="build -s customers+"' in errors("dbt")
