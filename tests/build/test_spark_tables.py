"""Rows go to Spark as Parquet and come back in the contracts' types; without Spark."""

import dataclasses
import datetime as dt
import json
from pathlib import Path

import duckdb
import pytest

from kith.build.dbt import target
from kith.build.engines import spark_folder
from kith.build.spark_tables import bring_home, lay_out
from kith.database import RELATIONS
from kith.errors import BuildError
from kith.gate.audit import fingerprint
from kith.runs.run import Run

NODES = {
    "model.kith.visits": {
        "resource_type": "model",
        "schema": "customer",
        "alias": "visits",
        "description": "One row per visit, Anna's too.",
        "config": {
            "materialized": "table",
            "enabled": True,
            "persist_docs": {"a": True},
        },
        "columns": {
            "visited_at": {
                "name": "visited_at",
                "data_type": "timestamp",
                "description": "When.",
            },
            "visit_count": {
                "name": "visit_count",
                "data_type": "bigint",
                "description": "How many.",
            },
        },
    },
    "model.kith.stg_visits": {
        "resource_type": "model",
        "schema": "staging",
        "alias": "stg_visits",
        "config": {"materialized": "view", "enabled": True},
    },
}


@pytest.fixture
def run(candidate: Run) -> Run:
    target(candidate).mkdir(parents=True, exist_ok=True)
    manifest = target(candidate) / "manifest.json"
    not_built = NODES["model.kith.visits"] | {"alias": "sessions"}
    nodes = {**NODES, "model.kith.sessions": not_built}
    manifest.write_text(json.dumps({"nodes": nodes}), encoding="utf-8")
    results = [{"unique_id": name} for name in NODES]
    manifest.with_name("run_results.json").write_text(json.dumps({"results": results}))
    return candidate


def test_source_and_control_tables_are_laid_out_whole_and_anew(candidate: Run) -> None:
    stale = spark_folder(candidate) / "built" / "customer" / "orders" / "part.parquet"
    stale.parent.mkdir(parents=True)
    stale.touch()
    lay_out(candidate)
    assert not stale.exists()
    sources = spark_folder(candidate) / "sources"
    laid = {f"{path.parent.name}.{path.name}" for path in sources.glob("*/*")}
    assert {table.full_name for table in candidate.company.sources} < laid
    assert {"kith.run", "kith.admitted_days", "kith.blocked_identifiers"} < laid
    with duckdb.connect(str(candidate.warehouse), read_only=True) as warehouse:
        for name in ("kith.run", candidate.company.sources[0].full_name):
            folder = sources / Path(*name.split("."))
            assert (
                warehouse.sql(f"from {name}").order("all").fetchall()
                == duckdb.read_parquet(f"{folder}/*.parquet").order("all").fetchall()
            )


def test_what_spark_built_comes_home_with_types_and_comments(run: Run) -> None:
    folder = spark_folder(run) / "built" / "customer" / "visits"
    folder.mkdir(parents=True)
    with duckdb.connect() as connection:
        connection.execute(
            "set TimeZone = 'UTC'; copy (select timestamptz '2024-02-03 04:05:06+00' "
            "as visited_at, 7::integer as visit_count) "
            f"to '{folder}/part-0.parquet' (format parquet)"
        )
    bring_home(run)
    with duckdb.connect(str(run.warehouse), read_only=True) as warehouse:
        rows = warehouse.sql("from customer.visits")
        assert list(map(str, rows.types)) == ["TIMESTAMP", "BIGINT"]
        assert str(rows.fetchone()) == "(datetime.datetime(2024, 2, 3, 4, 5, 6), 7)"
        comments = warehouse.execute(
            "select comment from duckdb_tables() where table_name = 'visits' "
            "union all select comment from duckdb_columns() where table_name = 'visits'"
        ).fetchall()
    assert comments == [("One row per visit, Anna's too.",), ("When.",), ("How many.",)]


def test_a_large_table_stays_where_it_is_and_is_a_view(run: Run) -> None:
    folder = spark_folder(run) / "built" / "customer" / "visits"
    folder.mkdir(parents=True)
    company = run.company.model_copy(update={"largest_table_rows": 1})
    large = dataclasses.replace(run, company=company)
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        for place in range(2):
            connection.execute(
                "copy (select timestamptz '2024-02-03 04:05:06+00' as visited_at, "
                f"7::integer as visit_count) to '{folder}/part-{place}.parquet'"
            )
    before = fingerprint(run)
    # A build after another limit finds what the one before has left.
    for kind in ("table", "view", "view", "table", "view"):
        bring_home(large if kind == "view" else run)
        with duckdb.connect(str(run.warehouse), read_only=True) as warehouse:
            # Whoever reads a view, such as the gate, may sit in another zone.
            warehouse.execute("set TimeZone = 'Asia/Tokyo'")
            rows = warehouse.sql("from customer.visits")
            assert list(map(str, rows.types)) == ["TIMESTAMP", "BIGINT"]
            assert rows.fetchall() == [(dt.datetime(2024, 2, 3, 4, 5, 6), 7)] * 2
            found = warehouse.execute(
                f"select kind, comment from {RELATIONS} where table_name = 'visits'"
            ).fetchall()
        assert found == [(kind, "One row per visit, Anna's too.")]
    assert fingerprint(run) != before
    # What a view reads belongs to the candidate that the gate has judged.
    before = fingerprint(run)
    (folder / "part-2.parquet").write_bytes((folder / "part-1.parquet").read_bytes())
    assert fingerprint(run) != before


def test_a_table_that_is_not_there_is_told_with_its_folder(run: Run) -> None:
    with pytest.raises(BuildError, match=r"no table customer\.visits that Spark"):
        bring_home(run)
