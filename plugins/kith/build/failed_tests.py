"""A failed data test of dbt in people's words: what, where, which rows, what to do."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import duckdb

from kith.build.failing_rows import SHOWN_ROWS, in_words
from kith.company.tables import SourceTable
from kith.database import connect, fetch_row, literal, parquet_sql, quote
from kith.deliveries.admitted import admitted_deliveries
from kith.deliveries.raw import Manifest
from kith.errors import KithError, one_line
from kith.runs.run import Run

_KEY_TEST = "unique_combination"
_ROUNDING_TEST = "unrounded"
# What dbt's own tests call the value of the column that they judge.
_VALUES = {
    "unique": "unique_field",
    "accepted_values": "value_field",
    "relationships": "from_field",
}
_SHOWN_FILES = 3


class FailedTest:
    """A data test that failed, beside the model or source table that it judges.

    `manifest` is dbt's parse of the project, `result` what dbt says of the test.
    """

    def __init__(
        self, run: Run, manifest: dict[str, Any], result: dict[str, Any]
    ) -> None:
        self._company = run.company
        self._run = run
        self._nodes = {**manifest["nodes"], **manifest["sources"]}
        self._test = self._nodes[result["unique_id"]]
        # dbt attaches the test of a source to nothing.
        judged = self._test["attached_node"] or self._test["depends_on"]["nodes"][0]
        self._judged = self._nodes[judged]
        self._count: int = result["failures"]
        self._sql: str = result["compiled_code"]
        metadata = self._test.get("test_metadata") or {"name": None, "kwargs": {}}
        self._kind, self._arguments = metadata["name"], metadata["kwargs"]
        self._column = self._arguments.get("column_name")
        self._feed = self._judged["name"].removeprefix("feed_")
        self._staging = self._company.feeds.get(self._feed, [])
        self._key = self._key_columns()

    def explain(self) -> str:
        """All that is known of the failure, as one line."""
        name = self._judged.get("alias") or self._judged["identifier"]
        parts = [f"dbt test on {self._judged['schema']}.{name}: {self._finding()}"]
        # A failure on the way to the rows must not hide the one that is told.
        with (
            suppress(duckdb.Error, OSError, ValueError, KithError),
            connect(
                self._run.warehouse,
                scratch=self._run.folder / "scratch",
                read_only=True,
            ) as warehouse,
        ):
            if rows := self._failing_rows(warehouse):
                parts[0] += f", first: {in_words(rows)}"
                if self._kind == _KEY_TEST:
                    parts += self._origins(warehouse, rows[0])
        return "; ".join([*parts, self._cure()])

    def _key_columns(self) -> list[str]:
        """Columns that name a row of what is judged; empty where none are known."""
        if self._judged["resource_type"] == "source":
            return self._source_table(self._judged).rules.key or ["row_key"]
        # A staging model has the key of the feed that it provides.
        models = {self._judged["unique_id"]} | {
            f"model.kith.feed_{feed}"
            for feed, staging in self._company.feeds.items()
            if self._judged["name"] in staging
        }
        for node in self._nodes.values():
            test = node.get("test_metadata") or {}
            if test.get("name") == _KEY_TEST and node["attached_node"] in models:
                return list(test["kwargs"]["columns"])
        return []

    def _finding(self) -> str:
        match self._kind:
            case "unique_combination":
                keys = _counted(self._count, "key")
                return f"{keys} of ({', '.join(self._key)}) on several rows"
            case "unique":
                values = _counted(self._count, "value")
                return f"{values} of {self._column} on several rows"
            case "not_null":
                return f"{_counted(self._count, 'row')} without {self._column}"
            case "accepted_values":
                accepted = ", ".join(map(str, self._arguments["values"]))
                values = _counted(self._count, "value")
                return f"{values} of {self._column} beside the accepted {accepted}"
            case "relationships":
                read = [self._nodes[name] for name in self._test["depends_on"]["nodes"]]
                others = [node for node in read if node is not self._judged] or read
                rows = _counted(self._count, "row")
                return (
                    f"{rows} with a {self._column} that {others[0]['name']}."
                    f"{self._arguments['field']} lacks"
                )
            case "unrounded":
                numbers = _counted(self._count, "number")
                return f"{numbers} with more decimals than the feed keeps"
        return f"{self._test['name']} found {_counted(self._count, 'row')}"

    def _cure(self) -> str:
        """What to do; nobody edits a feed, since the company's staging provides it."""
        folder = self._company.folder / "staging"
        if self._judged["resource_type"] == "source":
            declared = self._company.folder / "sources.yml"
            return f"have the source corrected, or mend its tests in {declared}"
        if self._feed != self._judged["name"] and self._staging:
            models = ", ".join(f"{name}.sql" for name in self._staging)
            what = {
                _KEY_TEST: f"give one row per {' and '.join(self._key)}: group its "
                "rows, lengthen the key, or name two systems apart by `source`",
                _ROUNDING_TEST: "round what it has summed, such as "
                "round(sum(line_amount), 2), or each number if what that loses may go",
            }.get(self._kind, "give what docs/feeds.md says of the feed")
            return f"let {models} in {folder} {what}"
        if self._judged["original_file_path"].startswith("company/"):
            return f"mend {self._judged['name']}.sql in {folder}"
        return f"mend dbt_project/{self._judged['original_file_path']}, or report it"

    # --- rows -------------------------------------------------------------------------

    def _failing_rows(
        self, warehouse: duckdb.DuckDBPyConnection
    ) -> list[dict[str, Any]]:
        """Keys of the first failing rows, and what the test itself has counted.

        Other columns of the table may hold what is known of a person.
        """
        relation, failing = self._judged["relation_name"], f"({self._sql})"
        shown = self._key
        if self._kind == "not_null":
            query = f"from {relation} where {self._column} is null"
        elif self._kind in _VALUES:
            values = f"select {_VALUES[self._kind]} from {failing}"
            query = f"from {relation} where {self._column} in ({values})"
        else:
            others = {*_columns(warehouse, relation)} - {*self._key}
            shown = [
                each for each in _columns(warehouse, failing) if each not in others
            ]
            query = f"from {failing}"
        if not shown:
            return []
        rows = warehouse.execute(
            f"select {', '.join(map(quote, shown))} {query} "
            f"order by all limit {SHOWN_ROWS + 1}"
        ).fetchall()
        found = [dict(zip(shown, row, strict=True)) for row in rows]
        if self._kind == _ROUNDING_TEST:
            for each in found:
                each[each.pop("column_name")] = each.pop("number")
        return found

    # --- where a repeated key of a feed comes from ------------------------------------

    def _origins(
        self, warehouse: duckdb.DuckDBPyConnection, row: dict[str, Any]
    ) -> Iterator[str]:
        """Staging models that give a row of a feed several times, with their files."""
        for name in self._staging:
            node = self._nodes[f"model.kith.{name}"]
            is_row = " and ".join(
                f"cast({quote(column)} as varchar) = {literal(str(row[column]))}"
                for column in self._key
            )
            (count,) = fetch_row(
                warehouse,
                f"select count(*) from {node['relation_name']} where {is_row}",
            )
            if count:
                read = [self._nodes[each] for each in node["depends_on"]["nodes"]]
                tables = [
                    self._source_table(source)
                    for source in read
                    if source["resource_type"] == "source"
                    and source["source_name"] != "kith"
                ]
                value = str(row[self._key[-1]])
                found = (_found(warehouse, table, value, count) for table in tables)
                sources = [
                    f", from {table.full_name} (column {column})"
                    f"{self._in_files(warehouse, table, column, value)}"
                    for table, column in zip(tables, found, strict=True)
                    if column
                ]
                rows = _counted(count, "row")
                yield f"the first stands on {rows} of {name}{''.join(sources)}"

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

    def _source_table(self, node: dict[str, Any]) -> SourceTable:
        return self._company.table(f"{node['source_name']}.{node['name']}")


def _found(
    warehouse: duckdb.DuckDBPyConnection, table: SourceTable, value: str, count: int
) -> str | None:
    """The column that holds a value on so many rows, one of the key before others."""
    names = [column.name for column in table.columns]
    names.sort(key=lambda name: name not in table.rules.key)
    counts = ", ".join(
        f"count(*) filter (cast({quote(name)} as varchar) = $value)" for name in names
    )
    found = warehouse.execute(
        f"select {counts} from {quote(table.source)}.{quote(table.name)}",
        {"value": value},
    ).fetchone()
    fitting = [name for name, n in zip(names, found or (), strict=True) if n == count]
    return fitting[0] if fitting else None


def _columns(warehouse: duckdb.DuckDBPyConnection, relation: str) -> list[str]:
    described = warehouse.execute(f"describe from {relation}").fetchall()
    return [name for name, *_ in described]


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
