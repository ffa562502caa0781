"""Expressions in SQL that a company writes over the columns of a table, checked.

DuckDB parses them and tries them on made-up rows; nothing of them runs on data.
"""

import difflib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kith.company.yaml_files import read_yaml

# What an expression is made of: what DuckDB's parser calls it, the same on all engines.
_KINDS = {
    *("COLUMN_REF", "CONSTANT", "COMPARISON", "CONJUNCTION", "OPERATOR", "BETWEEN"),
    *("CASE", "CAST", "FUNCTION"),
}
_FUNCTIONS = {
    *("abs", "ceil", "floor", "greatest", "least", "left", "length", "lower"),
    *("nullif", "replace", "round", "trim"),
}
_SIGNS = {"+", "-", "*", "/", "||", "~~", "!~~"}
# Values of each type, to try expressions on, among them a text that is no number and
# numbers that no narrow type holds.
_SAMPLES = {
    "string": ("'x'", "'?'"),
    "bigint": ("1", "1000000000"),
    "double": ("1.5e0", "1e9"),
    "decimal": ("1.5", "1000000000"),
    "date": ("'2024-01-31'", "'2024-02-29'"),
    "timestamp": ("'2024-01-31 12:00:00'", "'2024-02-29 23:59:59'"),
    "boolean": ("true", "false"),
}


class Fault(ValueError):
    """What is wrong with an expression, and what to do."""


def columns_of(model: Path) -> dict[str, str]:
    """Types of a model's columns by name, as its YAML file declares them."""
    (declared,) = read_yaml(model)["models"]
    return {column["name"]: column["data_type"] for column in declared["columns"]}


def check(
    expression: str,
    noun: str,
    columns: Mapping[str, str],
    aggregates: frozenset[str] = frozenset(),
) -> tuple[str, set[str]]:
    """The type of a lone expression, as DuckDB calls it, and the functions in it.

    Only functions that give the same on all engines may be in it, and `aggregates` of
    all rows of a group. Raises Fault, which calls the expression by its `noun`.
    """
    import duckdb  # Each parse of a DAG file reads this module.

    outside = "".join(expression.split("'")[::2])
    with duckdb.connect() as connection:
        connection.execute("set enable_external_access = false")
        query = "select json_serialize_sql(?)"
        row = connection.execute(query, [f"select {expression}"]).fetchone()
        tree = json.loads(row[0]) if row else {}
        if tree.get("error"):
            raise Fault(f"is no {noun} in SQL ({tree['error_message']})")
        lone = _lone_expression(tree)
        if lone is None or any(sign in outside for sign in ("--", "/*", ";", "::")):
            raise Fault(
                f"expected one {noun} and nothing else: no query, comment, second "
                "statement, or :: (write cast(... as ...))"
            )
        if '"' in outside:
            raise Fault("names of columns stand without quotes, texts in single ones")
        nodes = list(_nodes(lone))
        for node in nodes:
            _check_node(node, noun, columns, _FUNCTIONS | aggregates)
        rows = [
            ", ".join(
                f"cast({value} as {kind}) as {name}"
                for name, kind in columns.items()
                for value in [("null", *_SAMPLES[kind.split("(")[0]])[place]]
            )
            for place in range(3)
        ]
        try:
            for each in rows:
                found = connection.execute(
                    f"select typeof(value), value "
                    f"from (select {expression} as value from (select {each})) as tried"
                ).fetchone()
        except duckdb.Error as error:
            reason = str(error).partition("\n")[0]
            raise Fault(
                f"cannot be computed ({reason}); mind the types of the columns"
            ) from error
    functions = {node["function_name"] for node in nodes if node["class"] == "FUNCTION"}
    return (str(found[0]) if found else "", functions)


def _lone_expression(tree: dict[str, Any]) -> Any:
    """The one expression that is selected; None where there is more than that."""
    (statement,) = tree["statements"] if len(tree["statements"]) == 1 else [{}]
    node = dict(statement.get("node", {}))
    selected = node.pop("select_list", [])
    plain = {
        "type": "SELECT_NODE",
        "cte_map": {"map": []},
        "aggregate_handling": "STANDARD_HANDLING",
    }
    is_plain = node.pop("from_table", {}).get("type") == "EMPTY" and plain == {
        key: value for key, value in node.items() if value
    }
    is_lone = is_plain and len(selected) == 1 and not selected[0]["alias"]
    return selected[0] if is_lone else None


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """All expressions of a tree."""
    if isinstance(tree, list):
        for each in tree:
            yield from _nodes(each)
    elif isinstance(tree, dict):
        if "class" in tree:
            yield tree
        for each in tree.values():
            yield from _nodes(each)


def _number(node: dict[str, Any]) -> float | None:
    """The number that a node is, a decimal without its point; None if it is none."""
    value = node["value"].get("value") if node["class"] == "CONSTANT" else None
    return None if isinstance(value, str) else value


def _check_node(
    node: dict[str, Any], noun: str, columns: Mapping[str, str], functions: set[str]
) -> None:
    kind = node["class"]
    if kind == "SUBQUERY":
        raise Fault(f"a query within one {noun} is not possible; use the columns")
    if kind == "WINDOW":
        raise Fault("sums over other rows are not possible; use the columns")
    if kind == "FUNCTION" and node["function_name"] not in functions | _SIGNS:
        known = ", ".join(sorted(functions - {"count_star"}))
        raise Fault(
            f"function {node['function_name']} is not known to give the same on all "
            f"engines; known are coalesce, {known}"
        )
    if kind == "FUNCTION" and node["function_name"] == "/":
        divisor = node["children"][1]
        is_safe = (
            _number(divisor["children"][1]) == 0
            if divisor.get("function_name") == "nullif"
            else _number(divisor)
        )
        if not is_safe:
            raise Fault(
                "divides by what may be 0, which is no number on all engines; write "
                "... / nullif(..., 0)"
            )
    if kind == "COLUMN_REF":
        name = ".".join(node["column_names"])
        if name not in columns:
            near = difflib.get_close_matches(name.lower(), columns, 1)
            cure = f"; did you mean {near[0]}?" if near else ""
            raise Fault(
                f"there is no column {name}{cure} (docs/company.md lists the columns)"
            )
    if kind not in _KINDS:
        raise Fault(f"{kind.lower()} is not possible in one {noun}")
