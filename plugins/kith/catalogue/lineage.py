"""From which columns those of a run's tables come, table by table.

SQL is read as dbt has compiled it (`kith.catalogue.column_lineage`). What was read is
kept beside dbt's parse: a model's SQL is the same in most runs.
"""

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from kith.build.dbt import DBT_PROJECT, target
from kith.database import connect
from kith.runs.run import Run
from kith.storage import sha256_of

ROWS = "*"
# What changes with the code that reads SQL: raise it, and all is read anew.
_READER = 2

Column = tuple[str, str]  # `<schema>.<table>`, and its column, or ROWS for the table


@dataclass(frozen=True)
class TableLineage:
    """From where the columns of one table come.

    `columns` has each column with its origins, those whose values it is computed of;
    none where it is constant. `renamed` are the columns that are handed on as they are.
    `reason` says why no more is told of columns than their tables. `reads` are all
    tables that a model reads, also those that only decide which rows there are.
    """

    node: str
    kind: str
    columns: dict[str, tuple[Column, ...]]
    renamed: frozenset[str] = frozenset()
    reason: str = ""
    reads: tuple[str, ...] = ()


def lineage_of(
    run: Run, manifest: dict[str, Any], columns: dict[str, list[str]]
) -> dict[str, TableLineage]:
    """Lineage of each model, seed and source table, by `<schema>.<table>`.

    `manifest` is dbt's, `columns` are those that the tables have.
    """
    nodes = {
        node["unique_id"]: node
        for node in [*manifest["nodes"].values(), *manifest["sources"].values()]
        if node["resource_type"] in ("model", "seed", "source")
    }
    names = {
        unique_id: f"{node['schema']}.{node.get('alias') or node['identifier']}"
        for unique_id, node in nodes.items()
    }
    python = _python_lineage(nodes, names)
    kept = _Kept(run.folder / "dbt" / "lineage.json")
    found = {}
    with kept, _collector_held_back():
        for unique_id, node in nodes.items():
            own = columns.get(names[unique_id], [])
            if node["resource_type"] != "model":
                lineage = TableLineage(
                    unique_id, node["resource_type"], dict.fromkeys(own, ())
                )
            elif node["language"] == "python":
                declared = python.get(node["name"], {})
                parents = [names[parent] for parent in node["depends_on"]["nodes"]]
                rows = tuple((parent, ROWS) for parent in sorted(parents))
                lineage = TableLineage(
                    unique_id,
                    "python",
                    {column: declared.get(column, rows) for column in own},
                    reason="a Python model",
                )
            else:
                lineage = kept.read(unique_id, _compiled(run, node), columns)
            if node["resource_type"] == "model":
                parents = node["depends_on"]["nodes"]
                read = {names[parent] for parent in parents if parent in names}
                # What a macro reads by its name dbt does not know.
                read |= {name for way in lineage.columns.values() for name, _ in way}
                lineage = replace(lineage, reads=tuple(sorted(read)))
            found[names[unique_id]] = lineage
    return found


def columns_of(run: Run) -> dict[str, list[str]]:
    """Columns of each table and view of the candidate, by `<schema>.<table>`."""
    with connect(
        run.warehouse, scratch=run.folder / "scratch", read_only=True
    ) as warehouse:
        rows = warehouse.execute(
            """
            select schema_name || '.' || table_name, list(column_name order by
                column_index)
            from duckdb_columns()
            where database_name = current_database() and not internal
            group by all
            """
        ).fetchall()
    return dict(rows)


def way_to_sources(
    lineage: dict[str, TableLineage], start: Column
) -> Iterator[tuple[int, Column, bool]]:
    """Yield a column and those that it comes from, depth first.

    Each with its depth, and whether it was met before: its origins are not told twice.
    """
    met: set[Column] = set()

    def follow(column: Column, depth: int) -> Iterator[tuple[int, Column, bool]]:
        is_known = column in met
        met.add(column)
        yield depth, column, is_known
        table, name = column
        if is_known or table not in lineage:
            return
        for origin in lineage[table].columns.get(name, ()):
            yield from follow(origin, depth + 1)

    yield from follow(start, 0)


class _Kept:
    """What was read of SQL before, by the hash of what it was read from."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before: dict[str, Any] = {}
        self._now: dict[str, Any] = {}
        self._schema: Any = None

    def __enter__(self) -> "_Kept":
        try:
            self._before = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self._before = {}
        return self

    def __exit__(self, *_: object) -> None:
        if self._now != self._before:
            unfinished = self._path.with_suffix(".tmp")
            unfinished.write_text(json.dumps(self._now), encoding="utf-8")
            unfinished.replace(self._path)

    def read(
        self, unique_id: str, compiled: str, columns: dict[str, list[str]]
    ) -> TableLineage:
        """Lineage of a model in SQL, from what was read of the same SQL if possible."""
        key = self._key(compiled, columns)
        entry = self._before.get(key) or self._read(compiled, columns)
        self._now[key] = entry
        return TableLineage(
            unique_id,
            "model",
            {
                column: tuple((table, name) for table, name in origins)
                for column, origins in entry["columns"].items()
            },
            frozenset(entry["renamed"]),
            entry["reason"],
        )

    def _key(self, compiled: str, columns: dict[str, list[str]]) -> str:
        # Columns count since `select *` stands for them.
        read = {
            table: names
            for table, names in columns.items()
            if '"{}"."{}"'.format(*table.split(".", 1)) in compiled
        }
        return sha256_of([_READER, version("sqlglot"), compiled, read])

    def _read(self, compiled: str, columns: dict[str, list[str]]) -> dict[str, Any]:
        # Heavy, and not needed where all is kept.
        from sqlglot.errors import SqlglotError

        from kith.catalogue.column_lineage import origins_of, schema_of

        if self._schema is None:
            nested: dict[str, dict[str, list[str]]] = {}
            for name, own in columns.items():
                schema, table = name.split(".", 1)
                nested.setdefault(schema, {})[table] = own
            self._schema = schema_of(nested)
        if not compiled:
            return {"columns": {}, "renamed": [], "reason": "its SQL was not compiled"}
        try:
            origins = origins_of(compiled, self._schema)
        except SqlglotError:
            return {"columns": {}, "renamed": [], "reason": "its SQL cannot be read"}
        return {
            "columns": {
                name: sorted(map(list, found)) for name, (found, _) in origins.items()
            },
            "renamed": sorted(
                name for name, (_, is_renamed) in origins.items() if is_renamed
            ),
            "reason": "",
        }


def _compiled(run: Run, node: dict[str, Any]) -> str:
    """SQL of a model; in a build that went on from a failed one, that of before."""
    if node.get("compiled_code"):
        return str(node["compiled_code"])
    path = target(run) / "compiled" / node["package_name"] / node["original_file_path"]
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _python_lineage(
    nodes: dict[str, dict[str, Any]], names: dict[str, str]
) -> dict[str, dict[str, tuple[Column, ...]]]:
    """What is declared of Python models, with the names of tables."""
    text = (DBT_PROJECT / "python_lineage.yml").read_text(encoding="utf-8")
    tables = {
        node["name"]: names[unique_id]
        for unique_id, node in nodes.items()
        if node["resource_type"] == "model"
    }
    return {
        model: {
            column: tuple(
                (tables[origin.split(".")[0]], origin.split(".")[1])
                for origin in origins
                if origin.split(".")[0] in tables
            )
            for column, origins in columns.items()
        }
        for model, columns in yaml.safe_load(text).items()
    }


@contextmanager
def _collector_held_back() -> Iterator[None]:
    """Keep Python's garbage collector from a third of the time, among many objects."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
