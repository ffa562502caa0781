"""Where what dbt read comes from: staging models, source tables, delivered files."""

from collections.abc import Iterator, Mapping
from typing import Any

import duckdb

from kith.admit.faults import shown_sql
from kith.build.failing_rows import SHOWN_ROWS, in_words
from kith.company.tables import SourceTable
from kith.database import fetch_row, literal, parquet_sql, quote
from kith.deliveries.admitted import admitted_deliveries
from kith.deliveries.raw import Manifest
from kith.errors import one_line
from kith.runs.run import Run

KEY_TEST = "unique_combination"
_SHOWN_FILES = 3


class Origins:
    """dbt's parse of the project, beside what the company declares and delivered."""

    def __init__(self, run: Run, manifest: dict[str, Any]) -> None:
        self._run = run
        self.nodes: dict[str, dict[str, Any]] = {
            **manifest["nodes"],
            **manifest["sources"],
        }

    def staging_of(self, node: dict[str, Any]) -> list[str]:
        """Names of the staging models that provide a feed; of another node none."""
        return self._run.company.feeds.get(feed_of(node), [])

    def key_of(self, node: dict[str, Any]) -> list[str]:
        """Columns that name a row of a node; empty where none are known."""
        if node["resource_type"] == "source":
            return self.source_table(node).rules.key or ["row_key"]
        # A staging model has the key of the feed that it provides.
        models = {node["unique_id"]} | {
            f"model.kith.feed_{feed}"
            for feed, staging in self._run.company.feeds.items()
            if node["name"] in staging
        }
        for each in self.nodes.values():
            test = each.get("test_metadata") or {}
            if test.get("name") == KEY_TEST and each["attached_node"] in models:
                return list(test["kwargs"]["columns"])
        return []

    def source_table(self, node: dict[str, Any]) -> SourceTable:
        """What the company declares of a source."""
        return self._run.company.table(f"{node['source_name']}.{node['name']}")

    def tables_below(self, node: dict[str, Any]) -> list[SourceTable]:
        """The source tables from which a node is made, by whatever steps."""
        seen: dict[str, dict[str, Any]] = {}
        ahead = [node]
        while ahead:
            for name in ahead.pop().get("depends_on", {}).get("nodes", []):
                if name not in seen:
                    seen[name] = self.nodes[name]
                    ahead.append(self.nodes[name])
        return [
            self.source_table(each)
            for each in seen.values()
            if each["resource_type"] == "source" and each["source_name"] != "kith"
        ]

    def of_row(
        self,
        warehouse: duckdb.DuckDBPyConnection,
        feed: dict[str, Any],
        key: list[str],
        row: Mapping[str, Any],
    ) -> Iterator[str]:
        """Staging models that give a row of a feed, with tables, columns and files.

        The column is the one that holds the last value of the row's key on as many
        rows as staging gives.
        """
        if not key or any(row.get(column) is None for column in key):
            return
        for name in self.staging_of(feed):
            node = self.nodes[f"model.kith.{name}"]
            is_row = " and ".join(
                f"cast({quote(column)} as varchar) = {literal(str(row[column]))}"
                for column in key
            )
            (count,) = fetch_row(
                warehouse,
                f"select count(*) from {node['relation_name']} where {is_row}",
            )
            if count:
                value = str(row[key[-1]])
                read = map(self.nodes.__getitem__, node["depends_on"]["nodes"])
                sources = [
                    f", from {table.full_name} (column {column})"
                    f"{self._in_files(warehouse, table, column, value)}"
                    for table in (
                        self.source_table(source)
                        for source in read
                        if source["resource_type"] == "source"
                        and source["source_name"] != "kith"
                    )
                    if (column := _holding(warehouse, table, value, count))
                ]
                rows = counted(count, "row")
                yield f"the first stands on {rows} of {name}{''.join(sources)}"

    def of_value(
        self, warehouse: duckdb.DuckDBPyConnection, node: dict[str, Any], value: str
    ) -> Iterator[str]:
        """Tables, columns, rows and files below a node that hold a value."""
        for table in self.tables_below(node):
            if column := _holding(warehouse, table, value):
                holding = (
                    f"from {quote(table.source)}.{quote(table.name)} "
                    f"where trim(cast({quote(column)} as varchar)) = {literal(value)}"
                )
                (count,) = fetch_row(warehouse, f"select count(*) {holding}")
                key = table.rules.key or ["row_key"]
                shown = ", ".join(
                    f"{shown_sql(table, name)} as {quote(name)}" for name in key
                )
                found = warehouse.execute(
                    f"select {shown} {holding} order by all limit {SHOWN_ROWS + 1}"
                ).fetchall()
                rows = in_words(dict(zip(key, row, strict=True)) for row in found)
                files = self._in_files(warehouse, table, column, value)
                yield (
                    f"the value stands on {counted(count, 'row')} of {table.full_name} "
                    f"(column {column}){files}, first: {rows}"
                )

    def _in_files(
        self,
        warehouse: duckdb.DuckDBPyConnection,
        table: SourceTable,
        column: str,
        value: str,
    ) -> str:
        """The delivered files of a table whose column holds a value, in words."""
        names = []
        for delivery in admitted_deliveries(self._run, table):
            raw = self._run.raw(table.full_name) / delivery.folder.name
            attempt = raw / delivery.report["attempt"]
            text = (attempt / "manifest.json").read_text(encoding="utf-8")
            names += [
                one_line(file.origin)
                for file in Manifest.model_validate_json(text).files
                for name in table.column(column).names_in(file.columns)
                if warehouse.execute(
                    f"select 1 from {parquet_sql(attempt / file.stored)} "
                    f"where trim(cast({quote(name)} as varchar)) = $value limit 1",
                    {"value": value},
                ).fetchone()
            ]
        if not names:
            return ""
        more = " and others" if names[_SHOWN_FILES:] else ""
        return f" in {', '.join(names[:_SHOWN_FILES])}{more}"


def feed_of(node: dict[str, Any]) -> str:
    """`orders` of the model feed_orders; nothing of another node."""
    name = str(node["name"])
    return name.removeprefix("feed_") if name.startswith("feed_") else ""


def columns_of(warehouse: duckdb.DuckDBPyConnection, relation: str) -> list[str]:
    """Names of the columns of a relation."""
    described = warehouse.execute(f"describe from {relation}").fetchall()
    return [name for name, *_ in described]


def counted(number: int, noun: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _holding(
    warehouse: duckdb.DuckDBPyConnection,
    table: SourceTable,
    value: str,
    count: int | None = None,
) -> str | None:
    """The column that holds a value, on so many rows; one of the key before others."""
    names = [column.name for column in table.columns]
    names.sort(key=lambda name: name not in table.rules.key)
    counts = ", ".join(
        f"count(*) filter (trim(cast({quote(name)} as varchar)) = $value)"
        for name in names
    )
    found = warehouse.execute(
        f"select {counts} from {quote(table.source)}.{quote(table.name)}",
        {"value": value},
    ).fetchone()
    fitting = [
        name
        for name, n in zip(names, found or (), strict=True)
        if (n == count if count else n)
    ]
    return fitting[0] if fitting else None
