"""A company's own indicators: lines of SQL over int_customer_actions, checked."""

import functools
from collections.abc import Mapping

from kith.company.expressions import Fault, check, columns_of
from kith.settings import REPOSITORY

_ACTIONS = REPOSITORY.joinpath(
    "dbt_project", "models", "intermediate", "indicators", "int_customer_actions.yml"
)
_AGGREGATES = frozenset({"avg", "count", "count_star", "max", "min", "sum"})
_NUMBERS = {
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"),
    *("DECIMAL", "FLOAT", "DOUBLE"),
}


@functools.cache
def action_columns() -> dict[str, str]:
    """Types of the columns over which indicators are written, by name."""
    return columns_of(_ACTIONS)


def faults_of(indicators: Mapping[str, str]) -> list[str]:
    """What is wrong with a company's indicators, each by its place in company.yml."""
    return [
        f"indicators.{name}: `{line}`: {fault}"
        for name, line in indicators.items()
        if (fault := _fault_of_name(name) or fault_of(line))
    ]


def _fault_of_name(name: str) -> str | None:
    """A word of SQL would stand where a column's name does."""
    import duckdb  # Each parse of a DAG file reads this module.

    with duckdb.connect() as connection:
        query = "select 1 from duckdb_keywords() where keyword_name = lower(?) "
        query += "and keyword_category <> 'unreserved'"
        if connection.execute(query, [name]).fetchone():
            return f"{name} is a word of SQL; choose another name, such as own_{name}"
    return None


def fault_of(line: str) -> str | None:
    """What is wrong with an indicator's line, and what to do; None if nothing is."""
    try:
        kind, functions = check(line, "expression", action_columns(), _AGGREGATES)
    except Fault as fault:
        return str(fault)
    if not functions & _AGGREGATES:
        return (
            "a customer has many actions; sum, count, avg, min or max of them is "
            "expected, such as sum(order_amount)"
        )
    if kind.endswith("]") or kind.split("(")[0] not in _NUMBERS:
        return f"gives {kind.lower()}; a number is expected"
    return None
