"""The control tables have the columns that dbt's source declares."""

import datetime as dt
from collections import Counter
from pathlib import Path

import duckdb
import pytest
import yaml

from kith.build import control_tables
from kith.build.control_tables import LOGS, declared, write_control_tables
from kith.errors import DeliveryError
from kith.runs.run import Run
from tests.one_table import HEADER, company, deliver, run_door, sales


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
    assert set(LOGS) < set(found)


def test_a_backfill_does_not_turn_the_as_of_date_back(run: Run, tmp_path: Path) -> None:
    earlier = run_door(tmp_path / "shop", "2024-02-03", "2024-02-03")
    (found,) = written(earlier).sql("select as_of_date from kith.run").fetchall()
    assert found == (dt.date(2024, 3, 3),)


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


BAD_LINES = (
    b"C\xe9,2024-03-01,1,1\nF,2111-03-01,1,1\nU,,1,1\nD,2024-03-02,-1,1\nX,2024\n"
)


@pytest.mark.parametrize("cursor", ["sold_at", None])
@pytest.mark.parametrize("dated", [True, False])
def test_refused_rows_without_a_day_count_on_that_of_their_delivery(
    kith_home: Path, tmp_path: Path, cursor: str | None, dated: bool
) -> None:
    name = "sales_2024-03-02.csv" if dated else "sales.csv"
    path = "data/sales_{date:%Y-%m-%d}.csv" if dated else f"data/{name}"
    company(tmp_path, path, cursor=cursor, quarantine_limit_pct=100)
    text = "\n".join([HEADER, *sales(8)]).encode()
    (tmp_path / "data" / name).write_bytes(text + b"\n" + BAD_LINES)
    for day in ("02", "03"):
        run = run_door(tmp_path, f"2024-03-{day}", f"2024-03-{day}")
    warehouse = written(run)
    counted = warehouse.execute(
        "select day::varchar, quarantined_count from kith.admitted_days "
        "where quarantined_count > 0 order by day"
    ).fetchall()
    dateless = "2024-03-02" if cursor and dated else "2024-03-03"
    # A snapshot may lack times, and tell of any.
    assert Counter(dict(counted)) == (
        Counter({"2024-03-02": 1}) + Counter({dateless: 4})
        if cursor
        else Counter({dateless: 3})
    )
    assert (
        warehouse.execute(
            "select delivery_day::varchar, count(*) from kith.quarantined_rows "
            "group by all order by all"
        ).fetchall()
        == counted
    )


def test_what_a_refused_attempt_held_is_no_row_of_the_delivery_that_counts(
    run: Run, tmp_path: Path
) -> None:
    bad = [line.replace(",2024", ",2O24") for line in sales(12)]
    deliver(tmp_path / "shop", bad)
    with pytest.raises(DeliveryError):
        run_door(tmp_path / "shop", "2024-03-01", "2024-03-03")
    warehouse = written(run)
    assert warehouse.execute("from kith.quarantined_rows").fetchall() == []
    assert warehouse.execute(
        "select sum(row_count)::int, sum(quarantined_count)::int "
        "from kith.admitted_days"
    ).fetchall() == [(12, 0)]
