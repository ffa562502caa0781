"""What staging models say of source columns: which name people, what refers to what.

A staging model that makes `identifier_value` of a column says that this column names
people, though sources.yml may not; one that makes `order_id` of a column of lines, that
these hang on orders. The models' SQL, as dbt has compiled it, is taken apart by DuckDB.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from kith.company.folder import Company
from kith.company.tables import OTHERS
from kith.deliveries.persons import Staged

_NAMED = {"identifier_value": "identifier_type"}
_LINKED = {"left_value": "left_type", "right_value": "right_type"}
# Feeds whose rows hang on those of another, by the column of that name.
_HANGING = {
    "order_lines": ("orders", "order_id"),
    "lead_stages": ("leads", "lead_id"),
}
_Node = dict[str, Any]


@dataclass
class _Origin:
    """What a column of a query is made of."""

    columns: set[tuple[str, str]] = field(default_factory=set)
    constants: set[str] = field(default_factory=set)

    def add(self, other: "_Origin") -> None:
        self.columns |= other.columns
        self.constants |= other.constants


def staged(company: Company, state: Path) -> tuple[Staged, list[str]]:
    """What the company's staging models tell, and the models that nobody could read.

    `state` is the company's folder in KITH_HOME, in which dbt has compiled them.
    """
    folder = state / "dbt" / "target" / "compiled" / "kith" / "company" / "staging"
    models = _Models(folder)
    found, unread = Staged(), []
    declared = {table.full_name: table for table in company.sources}

    def own(origin: _Origin) -> Iterator[tuple[str, str]]:
        """Source columns that do not say themselves whom they name."""
        for name, column in sorted(origin.columns):
            table = declared.get(name)
            for each in table.columns if table else ():
                rules = each.rules
                says = rules.pii or rules.identifies not in (None, *OTHERS)
                if each.name.lower() == column.lower() and not says:
                    yield name, each.name

    def has(table: str, column: str) -> bool:
        known = declared[table].columns if table in declared else ()
        return column in {each.name.lower() for each in known}

    for feed, names in company.feeds.items():
        pairs = _LINKED if feed == "identifier_links" else _NAMED
        for model in names:
            tree = models.tree(model)
            if tree is None:
                unread.append(model)
                continue
            for value, kind in pairs.items():
                kinds = sorted(models.origin(tree, kind).constants)
                for table, column in own(models.origin(tree, value)):
                    known = found.kinds.setdefault(table, {}).setdefault(column, [])
                    known += [each for each in kinds if each not in known]
                    if not kinds:  # It stands in the rows.
                        unread.append(model)
    for feed, (parent, key) in _HANGING.items():
        places = {
            f"{table}.{column}"
            for model in company.feeds.get(parent, [])
            if (tree := models.tree(model)) is not None
            for table, column in models.origin(tree, key).columns
            if has(table, column)
        }
        for model in company.feeds.get(feed, []):
            tree = models.tree(model)
            for table, column in models.origin(tree, key).columns if tree else ():
                others = sorted(p for p in places if p != f"{table}.{column}")
                if has(table, column) and others:
                    found.references.setdefault(table, {})[column] = others
    return found, unread


class _Models:
    """The compiled staging models, parsed when they are asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, _Node | None] = {}

    def tree(self, model: str) -> _Node | None:
        """The query of a model; None where it was not compiled, or is no query."""
        if model not in self._known:
            path = self._folder / f"{model}.sql"
            self._known[model] = _parsed(path.read_text()) if path.is_file() else None
        return self._known[model]

    def origin(
        self, node: _Node, column: str, scope: dict[str, _Node] | None = None
    ) -> _Origin:
        """Source columns, as table and column, of which a column of a query is made."""
        found = _Origin()
        scope = dict(scope or {})
        for each in node.get("cte_map", {}).get("map", []):
            scope[each["key"].lower()] = each["value"]["query"]["node"]
        if node["type"] == "SET_OPERATION_NODE":
            for side in ("left", "right"):
                found.add(self.origin(node[side], column, scope))
            return found
        if node["type"] != "SELECT_NODE":
            return found
        for item in node.get("select_list", []):
            if item["class"] == "STAR":
                found.add(self._of_tables(node, None, column, scope))
                continue
            names = item.get("column_names", [])
            if (item.get("alias") or (names[-1] if names else "")).lower() != column:
                continue
            for part in _parts(item):
                if part["class"] == "CONSTANT":
                    value = part["value"].get("value")
                    if isinstance(value, str):
                        found.constants.add(value)
                else:
                    *qualifier, name = part["column_names"]
                    asked = qualifier[-1].lower() if qualifier else None
                    found.add(self._of_tables(node, asked, name.lower(), scope))
        return found

    def _of_tables(
        self, node: _Node, asked: str | None, column: str, scope: dict[str, _Node]
    ) -> _Origin:
        found = _Origin()
        for table in _leaves(node.get("from_table", {})):
            name = table.get("table_name", "").lower()
            if asked and asked not in (table.get("alias", "").lower(), name):
                continue
            if table["type"] == "SUBQUERY":
                found.add(self.origin(table["subquery"]["node"], column, scope))
            elif schema := table.get("schema_name"):
                model = self.tree(table["table_name"]) if schema == "staging" else None
                if model is not None:
                    found.add(self.origin(model, column))
                else:
                    found.columns.add((f"{schema}.{table['table_name']}", column))
            elif name in scope:
                inner = {k: v for k, v in scope.items() if k != name}
                found.add(self.origin(scope[name], column, inner))
        return found


def _parsed(sql: str) -> _Node | None:
    with duckdb.connect() as connection:
        row = connection.execute(
            "select json_serialize_sql(?, skip_null := true, skip_empty := true)", [sql]
        ).fetchone()
    tree = json.loads(row[0]) if row else {}
    return None if tree.get("error", True) else tree["statements"][0]["node"]


def _parts(tree: Any) -> Iterator[_Node]:
    """Columns and constants of an expression, none of a query within it.

    Nor those of the conditions of a case: they choose a value, and are none.
    """
    if isinstance(tree, list):
        for each in tree:
            yield from _parts(each)
    elif isinstance(tree, dict):
        if tree.get("class") in ("COLUMN_REF", "CONSTANT"):
            yield tree
        elif tree.get("class") != "SUBQUERY":
            for key, each in tree.items():
                if key != "when_expr":
                    yield from _parts(each)


def _leaves(table: _Node) -> Iterator[_Node]:
    if table.get("type") == "JOIN":
        yield from _leaves(table["left"])
        yield from _leaves(table["right"])
    elif table:
        yield table
