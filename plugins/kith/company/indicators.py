"""A company's own indicators: lines of SQL over int_customer_actions, checked."""

import difflib
import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any


import yaml

from kith.settings import REPOSITORY

_ACTIONS = REPOSITORY.joinpath(
    "dbt_project", "models", "intermediate", "indicators", "int_customer_actions.yml"
)
# What a line may be made of: what DuckDB's parser calls it, where all engines agree.
_KINDS = {
    *("COLUMN_REF", "CONSTANT", "COMPARISON", "CONJUNCTION", "OPERATOR", "BETWEEN"),
    *("CASE", "CAST", "FUNCTION"),
}
_AGGREGATES = {"avg", "count", "count_star", "max", "min", "sum"}
_FUNCTIONS = {
    *("abs", "ceil", "floor", "greatest", "least", "length", "lower", "nullif"),
    *("round", "sqrt", "trim"),
}
_SIGNS = {"+", "-", "*", "/", "||", "~~", "!~~"}


@functools.cache
def action_columns() -> dict[str, str]:
    """Types of the columns over which indicators are written, by name."""
    (model,) = yaml.safe_load(_ACTIONS.read_text(encoding="utf-8"))["models"]
    return {column["name"]: column["data_type"] for column in model["columns"]}


def faults_of(indicators: Mapping[str, str]) -> list[str]:
    """What is wrong with a company's indicators, each by its place in company.yml."""
    return [
        f"indicators.{name}: `{line}`: {fault}"
        for name, line in indicators.items()
        if (fault := fault_of(line))
    ]


def fault_of(line: str) -> str | None:
    """What is wrong with an indicator's line, and what to do; None if nothing is.

    DuckDB parses it and tries it on an empty table; nothing of it runs on data.
    """
    with duckdb.connect() as connection:
        connection.execute("set enable_external_access = false")
        row = connection.execute(
            "select json_serialize_sql(?)", [f"select {line}"]
        ).fetchone()
        tree = json.loads(row[0]) if row else {}
        if tree.get("error"):
            return f"is no SQL ({tree['error_message']})"
        expression = _lone_expression(tree)
        outside = "".join(line.split("'")[::2])
        if expression is None or any(
            sign in outside for sign in ("--", "/*", ";", "::", '"')
        ):
            return (
                "expected one expression and nothing else: no query, comment, second "
                'statement, "name" in double quotes, or :: (write cast(... as ...))'
            )
        nodes = list(_nodes(expression))
        for node in nodes:
            if fault := _fault_of_node(node):
                return fault
        if not any(node.get("function_name") in _AGGREGATES for node in nodes):
            return (
                "a customer has many actions; sum, count, avg, min or max of them is "
                "expected, such as sum(order_amount)"
            )
        columns = ", ".join(
            f"cast(null as {kind}) as {name}" for name, kind in action_columns().items()
        )
        try:
            found = connection.execute(
                f"describe select {line} as value from (select {columns}) "
                "group by customer_id"
            ).fetchone()
        except duckdb.Error as error:
            reason = str(error).partition("\n")[0]
            return f"cannot be computed ({reason}); mind the types of the columns"
    kind = str(found[1]) if found else ""
    if kind.split("(")[0] not in (
        *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"),
        *("DECIMAL", "FLOAT", "DOUBLE"),
    ):
        return f"gives {kind.lower()}; a number is expected"
    return None


def _lone_expression(tree: dict[str, Any]) -> Any:
    """The one expression that is selected; None where there is more than that."""
    (statement,) = tree["statements"] if len(tree["statements"]) == 1 else [{}]
    node = dict(statement.get("node", {}))
    selected = node.pop("select_list", [])
    is_alone = node.pop("from_table", {}).get("type") == "EMPTY" and {
        key: value for key, value in node.items() if value
    } == {
        "type": "SELECT_NODE",
        "cte_map": {"map": []},
        "aggregate_handling": "STANDARD_HANDLING",
    }
    return (
        selected[0]
        if is_alone and len(selected) == 1 and not selected[0]["alias"]
        else None
    )


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


def _fault_of_node(node: dict[str, Any]) -> str | None:
    kind = node["class"]
    if kind == "FUNCTION":
        name = node["function_name"]
        if name not in _AGGREGATES | _FUNCTIONS | _SIGNS:
            known = ", ".join(sorted((_AGGREGATES | _FUNCTIONS) - {"count_star"}))
            return (
                f"function {name} is not known to give the same on all engines; known "
                f"are coalesce, {known}"
            )
    elif kind == "COLUMN_REF":
        name = ".".join(node["column_names"])
        if name not in action_columns():
            near = difflib.get_close_matches(name, action_columns(), 1)
            cure = f"; did you mean {near[0]}?" if near else ""
            return (
                f"there is no column {name}{cure} (docs/company.md lists the columns)"
            )
    elif kind not in _KINDS:
        return f"{kind.lower()} is not possible in an indicator; use the columns"
    return None
