"""The warehouse before dbt: made anew, or renewed around what dbt had built."""

from pathlib import Path
from typing import Any

import duckdb
import pytest

from kith.build.warehouse import prepare_warehouse
from kith.runs.run import Run
from tests.one_table import company, deliver, run_door, sales


def rows(run: Run, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(run.warehouse)) as warehouse:
        return warehouse.execute(sql).fetchall()


@pytest.mark.parametrize("keeps_models", [False, True])
def test_views_and_control_tables_are_always_those_of_the_run(
    kith_home: Path, tmp_path: Path, keeps_models: bool
) -> None:
    deliver(company(tmp_path / "shop"), sales(12))
    first = run_door(tmp_path / "shop", "2024-03-01", "2024-03-03")
    first.warehouse.parent.mkdir(parents=True, exist_ok=True)
    prepare_warehouse(first)
    assert rows(first, "select count(*) from shop.sales") == [(12,)]
    rows(
        first,
        "create schema staging; create view staging.stg_sales as from shop.sales; "
        "create schema feeds; create table feeds.orders as from staging.stg_sales",
    )

    deliver(tmp_path / "shop", sales(8))
    second = run_door(tmp_path / "shop", "2024-03-01", "2024-03-03")
    prepare_warehouse(second, keeps_models=keeps_models)
    assert rows(
        second,
        "select count(*), (select run_id from kith.run), "
        "(select sum(row_count)::int from kith.admitted_days) from shop.sales",
    ) == [(8, second.run_id, 8)]
    built = "select table_name from duckdb_tables() where schema_name = 'feeds'"
    if keeps_models:
        assert rows(second, "select count(*) from feeds.orders") == [(12,)]
        assert rows(second, "select count(*) from staging.stg_sales") == [(8,)]
    else:
        assert rows(second, built) == []
