"""Stands in for dbt's `adapter` while sqlfluff reads a model without dbt."""

from collections.abc import Callable


def dispatch(macro_name: str, macro_namespace: str) -> Callable[..., str]:
    """A macro with a form for each engine, shown to the linter as a function call."""
    return lambda *arguments: f"{macro_name}({', '.join(map(str, arguments))})"
