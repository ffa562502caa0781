"""The control tables have the columns that dbt's source declares."""

from pathlib import Path

import duckdb
import pytest
import yaml

from kith.build import control_tables
from kith.build.control_tables import HISTORIES, declared, write_control_tables
from kith.runs.run import Run
from tests.one_table import company, deliver, run_door, sales


@pytest.fixture
def run(kith_home: Path, tmp_path: Path) -> Run:
    deliver(company(tmp_path / "shop"), sales(12))
    return run_door(tmp_path / "shop", "2024-03-01", "2024-03-03")


def written(run: Run) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(
        "create schema kith; create temp table superseded "
        "(table_name varchar, day date, row_count bigint)"
    )
    write_control_tables(connection, run)
    return connection


def test_all_declared_tables_are_there_as_declared(run: Run) -> None:
    warehouse = written(run)
    found: dict[str, dict[str, str]] = {}
    for table, column, kind in warehouse.execute(
        "select table_name, column_name, data_type from duckdb_columns() "
        "where schema_name = 'kith' order by table_name, column_index"
    ).fetchall():
        found.setdefault(table, {})[column] = kind
    kinds = {kind for columns in declared().values() for kind in columns.values()}
    duckdb_kinds = {
        kind: warehouse.execute(f"select typeof(cast(null as {kind}))").fetchone()[0]
        for kind in kinds
    }
    assert found == {
        table: {column: duckdb_kinds[kind] for column, kind in columns.items()}
        for table, columns in declared().items()
    }
    assert set(HISTORIES) < set(found)


def test_a_new_column_is_declared_once_and_null_in_earlier_logs(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = run.folder / "history" / "gate_results" / "run_0.parquet"
    history.parent.mkdir(parents=True)
    duckdb.sql("select 'run_0' as run_id, 'passed' as outcome").write_parquet(
        str(history)
    )
    sources = yaml.safe_load(control_tables.DECLARATION.read_text())
    for table in sources["sources"][0]["tables"]:
        table["columns"].insert(0, {"name": "judged_by", "data_type": "varchar"})
    declaration = tmp_path / "_kith_sources.yml"
    declaration.write_text(yaml.safe_dump(sources))
    monkeypatch.setattr(control_tables, "DECLARATION", declaration)
    declared.cache_clear()
    try:
        warehouse = written(run)
    finally:
        declared.cache_clear()
    assert warehouse.sql(
        "select judged_by, run_id, outcome, sample from kith.gate_results"
    ).fetchall() == [(None, "run_0", "passed", None)]
    assert warehouse.sql("select judged_by, run_id from kith.run").fetchall() == [
        (None, run.run_id)
    ]
    assert warehouse.sql("select sum(row_count) from kith.admitted_days").fetchall()[0][
        0
    ]
