"""What passes between the warehouse's file and Spark: Parquet, before and after dbt.

DuckDB decides which admitted rows count and writes the control tables, whatever the
engine is. Spark reads these as Parquet. What it has built comes into the file of the
warehouse, large tables as views, so that report and publication find there what they
always find.
"""

import json
import shutil
from typing import Any

import duckdb

from kith.build.control_tables import declared
from kith.build.dbt import results_of, target
from kith.build.engines import spark_folder
from kith.build.warehouse import prepare_warehouse
from kith.database import RELATIONS, connect, fetch_row, literal, parquet_in, quote
from kith.errors import BuildError
from kith.runs.run import Run


def prepare_for_spark(run: Run) -> None:
    """Write what dbt reads: into the warehouse's file, and from there for Spark."""
    prepare_warehouse(run)
    lay_out(run)


def lay_out(run: Run) -> None:
    """Write source and control tables as Parquet where Spark reads them.

    What Spark built before is removed.
    """
    folder = spark_folder(run)
    if folder.exists():
        shutil.rmtree(folder)
    tables = [("kith", name) for name in declared()]
    tables += [(table.source, table.name) for table in run.company.sources]
    with connect(
        run.warehouse, scratch=run.folder / "scratch", read_only=True
    ) as warehouse:
        for schema, name in tables:
            path = folder / "sources" / schema / name / "rows.parquet"
            path.parent.mkdir(parents=True)
            warehouse.execute(
                f"copy {quote(schema)}.{quote(name)} to {literal(str(path))} "
                "(format parquet, compression zstd)"
            )


def bring_home(run: Run) -> None:
    """Bring what dbt has just built into the warehouse's file, in the contracts' types.

    Large tables stay Parquet files, and become views there. Raises BuildError where a
    table is missing.
    """
    built = {result["unique_id"] for result in results_of(run)}
    manifest = json.loads((target(run) / "manifest.json").read_text(encoding="utf-8"))
    with connect(run.warehouse, scratch=run.folder / "scratch") as warehouse:
        for name, node in manifest["nodes"].items():
            if (
                name in built
                and node["resource_type"] in ("model", "seed")
                and node["config"]["materialized"] in ("table", "seed")
            ):
                _bring(warehouse, run, node)


def _bring(
    warehouse: duckdb.DuckDBPyConnection, run: Run, node: dict[str, Any]
) -> None:
    folder = spark_folder(run) / "built" / node["schema"] / node["alias"]
    if not any(folder.glob("*.parquet")):
        raise BuildError(
            f"{folder}: no table {node['schema']}.{node['alias']} that Spark has "
            "built; do this machine and Spark share the folder?"
        )
    rows = parquet_in(folder)
    kinds = {
        row[0]: row[1] for row in warehouse.execute(f"describe from {rows}").fetchall()
    }
    columns = ", ".join(
        f"cast({_in_utc(column['name'], kinds)} as {column['data_type']}) "
        f"as {quote(column['name'])}"
        for column in node["columns"].values()
        if column["data_type"]
    )
    name = f"{quote(node['schema'])}.{quote(node['alias'])}"
    (count,) = fetch_row(warehouse, f"select count(*) from {rows}")
    is_large = run.company.is_large(node["schema"], count)
    warehouse.execute(f"create schema if not exists {quote(node['schema'])}")
    _drop(warehouse, node["schema"], node["alias"])
    kind = "view" if is_large else "table"
    warehouse.execute(f"create {kind} {name} as select {columns or '*'} from {rows}")
    if node["config"]["persist_docs"]:
        comments = [f"comment on {kind} {name} is {literal(node['description'])}"] + [
            f"comment on column {name}.{quote(column['name'])} "
            f"is {literal(column['description'])}"
            for column in node["columns"].values()
        ]
        warehouse.execute("; ".join(comments))


def _in_utc(column: str, kinds: dict[str, str]) -> str:
    """SQL of a column: an instant as UTC, whatever the zone of who reads a view."""
    is_instant = kinds.get(column) == "TIMESTAMP WITH TIME ZONE"
    return quote(column) + (" at time zone 'UTC'" if is_instant else "")


def _drop(warehouse: duckdb.DuckDBPyConnection, schema: str, name: str) -> None:
    """Drop the table or view of a former build, if there is one."""
    for (kind,) in warehouse.execute(
        f"select kind from {RELATIONS} where database_name = current_database() "
        "and schema_name = $schema and table_name = $name",
        {"schema": schema, "name": name},
    ).fetchall():
        warehouse.execute(f"drop {kind} {quote(schema)}.{quote(name)}")
