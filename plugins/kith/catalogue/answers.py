"""What `make metric` and `make lineage` print, from the current release."""

import datetime as dt
from pathlib import Path
from typing import Any

from kith.catalogue.lineage import ROWS, Column, TableLineage, way_to_sources
from kith.catalogue.metrics import Metrics
from kith.catalogue.openlineage import read_lineage
from kith.errors import ConfigurationError

METADATA = "metadata"
EVENTS = "openlineage.jsonl"


def list_metrics(state: Path) -> str:
    """Each metric with its label, definition and dimensions."""
    metrics = Metrics(_release(state), state / "scratch")
    parts = []
    for metric in map(metrics.metric, metrics.names):
        always = f" (always by {', '.join(metric.always_by)})" * bool(metric.always_by)
        parts.append(
            f"{metric.name} — {metric.label}\n"
            f"    {metric.description}\n"
            f"    by {', '.join(metric.dimensions)}{always}"
        )
    return "\n".join(parts)


def tell_metric(
    state: Path,
    name: str,
    by: list[str],
    from_day: dt.date | None,
    to_day: dt.date | None,
) -> str:
    """A metric as a table, from the current release; `state` is the company's folder.

    Raises ConfigurationError where there is no such release, metric or dimension.
    """
    metrics = Metrics(_release(state), state / "scratch")
    metric = metrics.metric(name)
    headings, rows = metrics.table(name, by, from_day, to_day)
    days = f", from {from_day or 'the first day'} to {to_day or 'the last'}"
    title = f"{metric.label}{days * bool(from_day or to_day)}: {metric.description}"
    return f"{title}\n\n{_table(headings, rows)}"


def tell_lineage(state: Path, asked: str) -> str:
    """The way of a mart's column to columns of sources, indented."""
    release = _release(state)
    path = release / METADATA / EVENTS
    if not path.is_file():
        raise ConfigurationError(
            f"{path}: not found; this release was made by an earlier Kith, which kept "
            "no lineage; run again: make run"
        )
    lineage = read_lineage(path)
    table, _, name = asked.rpartition(".")
    if not table or not name:
        raise ConfigurationError(
            f"COLUMN={asked}: expected schema, table and column, such as "
            "COLUMN=customer.customers.city"
        )
    if table not in lineage:
        near = [known for known in sorted(lineage) if known.endswith(f".{table}")]
        there = ", ".join(near or sorted(lineage))
        raise ConfigurationError(f"COLUMN={asked}: no table {table}; there are {there}")
    if name not in lineage[table].columns:
        raise ConfigurationError(
            f"COLUMN={asked}: {table} has no column {name}; it has "
            f"{', '.join(lineage[table].columns)}"
        )
    lines = []
    for depth, column, is_known in way_to_sources(lineage, (table, name)):
        lines.append("  " * depth + _said(lineage, column, is_known))
    return "\n".join(lines)


def _said(lineage: dict[str, TableLineage], column: Column, is_known: bool) -> str:
    table, name = column
    text = f"rows of {table}" if name == ROWS else f"{table}.{name}"
    if is_known:
        return f"{text} (above)"
    if table not in lineage:
        return f"{text} (source)"
    found = lineage[table]
    if name == ROWS:
        return text
    if not found.columns.get(name):
        return f"{text} (constant)"
    if name in found.renamed:
        return text
    return f"{text} ({found.reason or 'computed'})"


def _release(state: Path) -> Path:
    release = (state / "published" / "current").resolve()
    if not (release / "kith.duckdb").is_file():
        raise ConfigurationError(
            f"{release}: no release; publish one first: make run COMPANY=…"
        )
    return release


def _table(headings: list[str], rows: list[tuple[Any, ...]]) -> str:
    """Rows under their headings: text to the left, numbers to the right."""
    texts = [[_written(value) for value in row] for row in rows]
    is_number = [
        all(isinstance(row[at], int | float) or row[at] is None for row in rows)
        or at == len(headings) - 1
        for at in range(len(headings))
    ]
    widths = [
        max(map(len, [heading, *(line[at] for line in texts)]))
        for at, heading in enumerate(headings)
    ]
    lines = [
        "  ".join(
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, is_number, strict=True)
        ).rstrip()
        for line in [headings, *texts]
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _written(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, dt.datetime):
        return value.date().isoformat()
    if isinstance(value, str | dt.date):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
