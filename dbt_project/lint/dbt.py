"""Stands in for dbt's own cross-engine macros while sqlfluff reads a model."""


def datediff(first: str, second: str, part: str) -> str:
    """Whole units between two times, in DuckDB's words."""
    return f"date_diff('{part}', {first}, {second})"


def generate_series(upper_bound: int) -> str:
    """A query of one column, `generated_number`."""
    return f"select {upper_bound} as generated_number"
