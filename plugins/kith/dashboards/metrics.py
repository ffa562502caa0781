"""The metrics of the semantic layer as SQL over one mart, for tools that take such.

MetricFlow plans joins and calendars; a BI tool has one table before it, and groups as
its reader likes. So a metric is given to it when all of it comes from one mart.
"""

import re
from dataclasses import dataclass
from typing import Any

_AGGREGATES = {
    "sum": "sum({})",
    "count": "count({})",
    "count_distinct": "count(distinct {})",
    "average": "avg({})",
    "min": "min({})",
    "max": "max({})",
}


@dataclass(frozen=True)
class Metric:
    """A metric as an aggregate over a mart's columns.

    `always_by` are columns by which it has to be grouped, since it may not be pooled.
    """

    name: str
    sql: str
    always_by: tuple[str, ...]


@dataclass(frozen=True)
class MartMetrics:
    """Metrics that come from one mart, and the column along which they are told."""

    metrics: dict[str, Metric]
    time: str


def metrics_by_mart(manifest: dict[str, Any]) -> dict[str, MartMetrics]:
    """By `<schema>.<table>` the metrics of a release's semantic manifest."""
    found = {}
    for model in manifest["semantic_models"]:
        relation = model["node_relation"]
        columns = {
            each["name"]: each["expr"] or each["name"] for each in model["dimensions"]
        }
        metrics = _metrics(model, columns, manifest["metrics"])
        time = columns[model["defaults"]["agg_time_dimension"]]
        mart = f"{relation['schema_name']}.{relation['alias']}"
        found[mart] = MartMetrics(metrics, time)
    return found


def _metrics(
    model: dict[str, Any], columns: dict[str, str], declared: list[dict[str, Any]]
) -> dict[str, Metric]:
    """The metrics all of whose measures are a semantic model's own."""
    measures = {each["name"]: _aggregate(each) for each in model["measures"]}
    known: dict[str, str] = {}
    # A derived metric may be declared before its parts.
    waiting = {each["name"]: each for each in declared}
    while ready := {
        name: sql
        for name, each in waiting.items()
        if (sql := _sql(each, measures, known)) is not None
    }:
        known |= ready
        waiting = {name: each for name, each in waiting.items() if name not in ready}
    found = {}
    for each in declared:
        if (name := each["name"]) in known:
            by = (each.get("config") or {}).get("meta", {}).get("by", "")
            always = tuple(columns.get(one, one) for one in by.split(",") if one)
            found[name] = Metric(name, known[name], always)
    return found


def _aggregate(measure: dict[str, Any]) -> str | None:
    """SQL of a measure; None of one that this does not know to compute."""
    pattern = _AGGREGATES.get(measure["agg"])
    if pattern is None or measure["non_additive_dimension"]:
        return None
    return pattern.format(measure["expr"] or measure["name"])


def _sql(
    metric: dict[str, Any], measures: dict[str, str | None], known: dict[str, str]
) -> str | None:
    parts = metric["type_params"]
    if metric["filter"]:
        return None
    if metric["type"] == "simple":
        measure = parts["measure"]
        sql = measures.get(measure["name"])
        if sql is None or measure["filter"]:
            return None
        fill = measure["fill_nulls_with"]
        return sql if fill is None else f"coalesce({sql}, {fill})"
    if metric["type"] != "derived":
        return None
    used = {each["alias"] or each["name"]: each for each in parts["metrics"]}
    for each in used.values():
        is_plain = not (each["filter"] or each["offset_window"])
        if each["name"] not in known or not is_plain:
            return None
    return re.sub(
        rf"\b({'|'.join(map(re.escape, used))})\b",
        lambda found: f"({known[used[found[0]]['name']]})",
        parts["expr"],
    )
