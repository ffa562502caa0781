"""Schemes: ordered lists of named conditions that put each customer into a segment."""

import difflib
import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field, field_validator

from kith.company.tables import Strict
from kith.company.yaml_files import read_yaml
from kith.settings import REPOSITORY

# Segments that stand in each scheme without being declared.
NOT_PERMITTED, UNIDENTIFIED, OTHER = "not_permitted", "unidentified", "other"
_STATES = REPOSITORY.joinpath(
    "dbt_project", "models", "intermediate", "segments", "int_customer_states.yml"
)
# A value of each type, to try conditions on.
_SAMPLES = {
    "string": "'x'",
    "bigint": "1",
    "double": "1.5e0",
    "decimal(18,2)": "1.5",
    "date": "'2024-01-31'",
    "boolean": "true",
}
# What a condition is made of: what DuckDB's parser calls it, the same on all engines.
_KINDS = {
    *("COLUMN_REF", "CONSTANT", "COMPARISON", "CONJUNCTION", "OPERATOR", "BETWEEN"),
    *("CASE", "CAST", "FUNCTION"),
}
_FUNCTIONS = {
    *("abs", "ceil", "floor", "greatest", "least", "left", "length", "lower"),
    *("nullif", "replace", "round", "trim"),
}
_SIGNS = {"+", "-", "*", "/", "||", "~~", "!~~"}


class Scheme(Strict):
    """Ordered, named conditions: each customer is in the first that holds for them."""

    segments: dict[str, str] = Field(
        min_length=1,
        description="Each segment's name with its condition, in SQL over the columns "
        "below. The first that holds counts; for whom none holds is `other`.",
    )
    definition: str | None = Field(
        default=None, description="What the scheme tells, in words."
    )
    owner: str | None = Field(
        default=None,
        description="Who answers for it; by default the company's `owner`.",
    )
    version: int = Field(
        default=1, gt=0, description="To be raised when conditions change."
    )
    other_names: dict[str, str] = Field(
        default_factory=dict,
        description="By segment a second name, such as in another language.",
    )

    @field_validator("segments")
    @classmethod
    def _are_named(cls, segments: dict[str, str]) -> dict[str, str]:
        for name in segments:
            if name in (NOT_PERMITTED, UNIDENTIFIED, OTHER):
                raise ValueError(
                    f"{name} stands in each scheme without being declared; choose "
                    "another name"
                )
            if name != " ".join(name.split()) or not name.isprintable() or not name:
                raise ValueError(
                    f"{name!r} is no name; expected words without blanks around them"
                )
        return segments


@functools.cache
def own_schemes() -> dict[str, Scheme]:
    """Kith's own schemes, by name."""
    declared = read_yaml(REPOSITORY / "plugins" / "kith" / "company" / "schemes.yml")
    return {name: Scheme.model_validate(each) for name, each in declared.items()}


@functools.cache
def state_columns() -> dict[str, str]:
    """Types of the columns over which conditions are written, by name."""
    (model,) = read_yaml(_STATES)["models"]
    return {column["name"]: column["data_type"] for column in model["columns"]}


def faults_of(schemes: Mapping[str, Scheme]) -> list[str]:
    """What is wrong with a company's schemes, each fault by its place in the file.

    Their conditions are left to `faults_of_conditions`.
    """
    faults = []
    meanings = {
        segment: (f"Kith's own scheme {name}", condition)
        for name, scheme in own_schemes().items()
        for segment, condition in scheme.segments.items()
    }
    for name, scheme in schemes.items():
        place = f"schemes.{name}"
        if name in own_schemes():
            faults.append(
                f"{place}: Kith has a scheme of that name; choose another, such as "
                f"own_{name}"
            )
            continue
        for segment, condition in scheme.segments.items():
            scheme_of, meaning = meanings.setdefault(
                segment, (f"schemes.{name}", condition)
            )
            if meaning != condition:
                faults.append(
                    f"{place}.segments.{segment}: {scheme_of} has a segment of that "
                    f"name, with another condition (`{meaning}`); a name may mean one "
                    "thing only: choose another"
                )
        faults += [
            f"{place}.other_names.{segment}: the scheme has no such segment; it has "
            f"{', '.join(scheme.segments)}"
            for segment in scheme.other_names
            if segment not in scheme.segments
        ]
    return faults


def faults_of_conditions(schemes: Mapping[str, Scheme]) -> list[str]:
    """Conditions that cannot be used, each by its place in the file."""
    return [
        f"schemes.{name}.segments.{segment}: `{condition}`: {fault}"
        for name, scheme in schemes.items()
        for segment, condition in scheme.segments.items()
        if (fault := fault_of(condition))
    ]


def fault_of(condition: str) -> str | None:
    """What is wrong with a condition, and what to do; None where it can be used.

    DuckDB parses it and tries it on a row of each column's type, on none of the data.
    """
    import duckdb  # Each parse of a DAG file reads this module.

    with duckdb.connect() as connection:
        connection.execute("set enable_external_access = false")
        query = "select json_serialize_sql(?)"
        row = connection.execute(query, [f"select {condition}"]).fetchone()
        tree = json.loads(row[0]) if row else {}
        if tree.get("error"):
            return f"is no condition in SQL ({tree['error_message']})"
        expression = _lone_expression(tree)
        if expression is None or _has_signs_between(condition):
            return (
                "expected one condition and nothing else: no query, comment, second "
                "statement, or :: (write cast(... as ...))"
            )
        if '"' in _outside(condition):
            return "names of columns stand without quotes, texts in single ones"
        for node in _nodes(expression):
            if fault := _fault_of_node(node):
                return fault
        columns = state_columns().items()
        for values in (
            ", ".join(f"cast(null as {kind}) as {name}" for name, kind in columns),
            ", ".join(
                f"cast({_SAMPLES[kind]} as {kind}) as {name}" for name, kind in columns
            ),
        ):
            try:
                found = connection.execute(
                    f"select typeof({condition}), {condition} from (select {values})"
                ).fetchone()
            except duckdb.Error as error:
                reason = str(error).partition("\n")[0]
                return f"cannot be computed ({reason}); mind the types of the columns"
    if not found or found[0] != "BOOLEAN":
        return "is neither true nor false; expected a comparison, such as `... > 0`"
    return None


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


def _has_signs_between(condition: str) -> bool:
    """Whether a comment or an end stands outside of the texts in single quotes."""
    return any(sign in _outside(condition) for sign in ("--", "/*", ";", "::"))


def _outside(condition: str) -> str:
    """What of a condition stands outside of the texts in single quotes."""
    return "".join(condition.split("'")[::2])


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
    if kind == "SUBQUERY":
        return "a query within a condition is not possible; use the columns"
    if kind == "WINDOW":
        return "sums over other rows are not possible; use the columns"
    if kind == "FUNCTION" and node["function_name"] not in _FUNCTIONS | _SIGNS:
        return (
            f"function {node['function_name']} is not known to give the same on all "
            f"engines; known are coalesce, {', '.join(sorted(_FUNCTIONS))}"
        )
    if kind == "COLUMN_REF":
        name = ".".join(node["column_names"])
        if name not in state_columns():
            near = difflib.get_close_matches(name, state_columns(), 1)
            cure = f"; did you mean {near[0]}?" if near else ""
            return (
                f"there is no column {name}{cure} (docs/company.md lists the columns)"
            )
    if kind not in _KINDS:
        return f"{kind.lower()} is not possible in a condition"
    return None
