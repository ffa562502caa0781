"""The rows that stopped a run: their keys and reasons, no more about a person.

Beside what is shown, a DuckDB file has them as views, for who looks further.
"""

import json
from pathlib import Path
from typing import Any

import duckdb

from kith.build.dbt import failures_of, results_of, target
from kith.build.failing_rows import shown
from kith.database import connect, parquet_sql, quote
from kith.gate.audit import failed_checks_path
from kith.gate.tables import list_tables
from kith.reproduce.scratch import Scratch
from kith.runs.run import Run

ROWS = 20
SCHEMA = "failing"

_Shown = tuple[list[str], Path | None]


def of_admission(scratch: Scratch, table: str) -> _Shown:
    """Rows that went to quarantine, with reason and masked as admission wrote them."""
    run = scratch.run
    files = sorted(run.quarantine(table).glob("[0-9]*/rows.parquet"))
    if not files:
        return ["No row was judged: the delivery was refused as a whole"], None
    database = scratch.folder / "failing.duckdb"
    database.unlink(missing_ok=True)
    columns = "file, row_number, column_name, reason, value, expected"
    with connect(database, scratch=run.folder / "scratch") as connection:
        connection.execute(
            f"create view failing_rows as from {parquet_sql(*files)} "
            "order by file, row_number"
        )
        reasons = connection.execute(
            "select reason, column_name, count(*) from failing_rows "
            "group by all order by count(*) desc, reason, column_name"
        ).fetchall()
        lines = [
            f"  {count:,} × {reason}{f' in {column}' if column else ''}"
            for reason, column, count in reasons
        ]
        rows = _table(connection, f"select {columns} from failing_rows", columns)
    return [*lines, *rows, "The view failing_rows has them all"], database


def of_gate(run: Run) -> _Shown:
    """Of each check that stopped it the query, and keys of the rows that it finds."""
    path = failed_checks_path(run)
    if not path.is_file():
        return [], run.warehouse if run.warehouse.is_file() else None
    tables = {table.full_name: table for table in list_tables(run)}
    lines: list[str] = []
    checks = json.loads(path.read_text(encoding="utf-8"))
    with connect(run.warehouse, scratch=run.folder / "scratch") as warehouse:
        warehouse.execute(f"create schema if not exists {SCHEMA}")
        for number, check in enumerate(checks, 1):
            lines.append(
                f"{check['table_name']}: '{check['expectation']}' {check['outcome']}, "
                f"observed {check['observed']}"
            )
            table, query = tables.get(check["table_name"]), check["query"]
            if not query or not table:
                continue
            lines.append(f"  query     {' '.join(query.split())}")
            view = f"{SCHEMA}.check_{number}"
            try:
                warehouse.execute(f"create or replace view {view} as {query}")
            except duckdb.Error as error:
                lines.append(f"  the query fails: {' '.join(str(error).split())}")
                continue
            found = [
                name
                for name, *_ in warehouse.execute(f"describe from {view}").fetchall()
                if name in table.key or name not in table.columns
            ]
            columns = ", ".join(map(quote, found))
            lines += _table(warehouse, f"select {columns} from {view}", columns)
            lines.append(f"  The view {view} has them all")
    return lines, run.warehouse


def of_build(run: Run) -> _Shown:
    """Of each failed model what is known, its SQL, and what goes into it."""
    lines = list(failures_of(run))
    manifest = target(run) / "manifest.json"
    if not manifest.is_file():
        return lines, None
    known = json.loads(manifest.read_text(encoding="utf-8"))
    nodes: dict[str, Any] = {**known["nodes"], **known["sources"]}
    if not run.warehouse.is_file():
        return lines, None
    with connect(run.warehouse, scratch=run.folder / "scratch") as warehouse:
        warehouse.execute(f"create schema if not exists {SCHEMA}")
        for result in results_of(run):
            node = nodes.get(result["unique_id"])
            if result["status"] not in ("error", "fail") or not node:
                continue
            compiled = target(run) / "compiled" / "kith" / node["original_file_path"]
            if node["resource_type"] == "test":
                compiled /= node["path"]
            lines.append(f"{node['name']}: its SQL is {compiled}")
            if result["status"] == "fail":
                view = f"{SCHEMA}.{quote(node['name'])}"
                warehouse.execute(
                    f"create or replace view {view} as {result['compiled_code']}"
                )
                lines.append(f"  The view {view} has the rows that it found")
            for name in node["depends_on"]["nodes"]:
                relation = nodes[name]["relation_name"]
                try:
                    found = warehouse.execute(
                        f"select count(*) from {relation}"
                    ).fetchone()
                except duckdb.Error:
                    continue  # It was not built, which dbt says of it.
                lines.append(
                    f"  reads     {relation}: {found[0] if found else 0:,} rows"
                )
    return lines, run.warehouse


def _table(
    connection: duckdb.DuckDBPyConnection, query: str, columns: str
) -> list[str]:
    """The first rows of a query as lines, in the order of their columns."""
    if not columns:
        return ["  (no key is known)"]
    found = connection.execute(f"{query} order by {columns} limit {ROWS + 1}")
    names = [name for name, *_ in found.description or []]
    rows = [[shown(value) for value in row] for row in found.fetchall()]
    widths = [
        max(len(text) for text in column)
        for column in zip(names, *rows[:ROWS], strict=True)
    ]
    lines = [
        "  " + "  ".join(map(str.ljust, row, widths)).rstrip()
        for row in [names, *rows[:ROWS]]
    ]
    return lines + (["  …"] if rows[ROWS:] else [])
