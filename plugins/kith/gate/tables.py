"""The tables of the candidate, their columns and keys."""

import json
from dataclasses import dataclass

from kith.company.folder import PUBLISHED_SCHEMAS
from kith.database import RELATIONS, connect, fetch_row, quote
from kith.errors import GateError
from kith.runs.run import Run

FEED_SCHEMA = "feeds"


@dataclass(frozen=True)
class Table:
    """A table of the candidate that has to be checked."""

    schema: str
    name: str
    row_count: int
    columns: tuple[str, ...]
    key: tuple[str, ...]

    @property
    def full_name(self) -> str:
        """`<schema>.<table>`."""
        return f"{self.schema}.{self.name}"

    @property
    def kind(self) -> str:
        """Folder of its suite."""
        return "feeds" if self.schema == FEED_SCHEMA else "marts"


def list_tables(run: Run) -> list[Table]:
    """Feeds and marts in the candidate that this run built."""
    if not run.warehouse.is_file():
        raise GateError(f"{run.warehouse}: not found; build the candidate first")
    with connect(
        run.warehouse, scratch=run.folder / "scratch", read_only=True
    ) as warehouse:
        builder = warehouse.execute("select run_id from kith.run").fetchall()
        if builder != [(run.run_id,)]:
            raise GateError(
                f"{run.warehouse}: was built by run {builder[0][0]}, not by "
                f"{run.run_id}; start again from the task build"
            )
        keys = table_keys(run)
        columns: dict[tuple[str, str], list[str]] = {}
        for schema, table, column in warehouse.execute(
            f"""
            select schema_name, table_name, column_name
            from duckdb_columns() inner join {RELATIONS}
                using (database_name, schema_name, table_name)
            where list_contains($schemas, schema_name)
                and database_name = current_database()
            order by schema_name, table_name, column_index
            """,
            {"schemas": [FEED_SCHEMA, *PUBLISHED_SCHEMAS]},
        ).fetchall():
            columns.setdefault((schema, table), []).append(column)
        return [
            Table(
                schema=schema,
                name=table,
                row_count=fetch_row(
                    warehouse, f"select count(*) from {quote(schema)}.{quote(table)}"
                )[0],
                columns=tuple(names),
                key=tuple(keys.get(f"{schema}.{table}", [])),
            )
            for (schema, table), names in columns.items()
        ]


def table_keys(run: Run) -> dict[str, list[str]]:
    """Key columns by `<schema>.<table>`, as the uniqueness tests of dbt state them."""
    manifest = run.folder / "dbt" / "target" / "manifest.json"
    nodes = json.loads(manifest.read_text(encoding="utf-8"))["nodes"]
    keys = {}
    for node in nodes.values():
        test = node.get("test_metadata") or {}
        # The tests of a model that is switched off stay there without it.
        model = nodes.get(node.get("attached_node"))
        if test.get("name") == "unique_combination" and model:
            keys[f"{model['schema']}.{model['alias']}"] = test["kwargs"]["columns"]
    return keys
