"""How failing rows are shown."""

from pathlib import Path

import duckdb
import pytest

from kith.reproduce.failing_rows import ROWS, _table, of_gate
from kith.runs.run import Run
from kith.storage import sha256
from tests.conftest import new_run
from tests.one_table import company


def test_rows_stand_in_columns_and_persons_are_left_out() -> None:
    address, digest = "anna@example.com", "0123456789abcdef" * 2
    with duckdb.connect() as connection:
        lines = _table(
            connection,
            f"select 7 as n, '{address}' as a, '{digest}' as h, 'two' || chr(10) as t",
            "n, a, h, t",
        )
    assert [line.split() for line in lines] == [
        ["n", "a", "h", "t"],
        ["7", "…@…", "01234567…", "two"],
    ]


def test_more_rows_than_are_shown_are_told() -> None:
    with duckdb.connect() as connection:
        lines = _table(connection, f"select * from range({ROWS + 1}) t(n)", "n")
        assert (len(lines), lines[-1].strip()) == (ROWS + 2, "…")
        lines = _table(connection, f"select * from range({ROWS}) t(n)", "n")
        assert lines[-1].strip() == str(ROWS - 1)
        assert _table(connection, "select 1", "") == ["  (no key is known)"]


def test_without_results_of_the_gate_nothing_is_shown(
    tmp_path: Path, kith_home: Path
) -> None:
    run: Run = new_run(company(tmp_path))
    assert of_gate(run) == ([], None)
    run.warehouse.parent.mkdir(parents=True)
    duckdb.connect(str(run.warehouse)).close()
    before = sha256(run.warehouse)
    assert of_gate(run) == ([], run.warehouse)
    assert sha256(run.warehouse) == before


@pytest.mark.parametrize("stray", ["x", "y z"])
def test_names_of_columns_are_quoted(stray: str) -> None:
    with duckdb.connect() as connection:
        lines = _table(connection, f'select 1 as "{stray}"', f'"{stray}"')
    assert lines[0].strip() == stray
