"""What a chart asks for, held against what its mart has, and against privacy."""

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError

from kith.dashboards.contents import Mart
from kith.dashboards.declared import Chart, Dashboard
from kith.dashboards.metrics import Metric

PERSONS = "count(distinct customer_id)"


def faults_of(
    dashboard: Dashboard,
    marts: dict[str, Mart],
    metrics: dict[str, dict[str, Metric]],
) -> list[str]:
    """What is wrong with a dashboard; `metrics` are those that each mart has."""
    faults = []
    for name, chart in dashboard.charts.items():
        if chart.mart not in marts:
            faults.append(f"{name}: there is no mart {chart.mart}")
            continue
        mart = marts[chart.mart]
        found = _faults(chart, mart, metrics.get(chart.mart, {}))
        faults += [f"{name}: {fault}" for fault in found]
    for each in dashboard.filters:
        if each.mart not in marts or each.column not in marts[each.mart].columns:
            faults.append(f"filter {each.title}: no column {each.mart}.{each.column}")
    return faults


def _faults(chart: Chart, mart: Mart, metrics: dict[str, Metric]) -> list[str]:
    faults = []
    if chart.x is None and chart.kind not in ("number", "table"):
        faults.append(f"kind {chart.kind} needs x")
    named = [*chart.columns, *(each for each in (chart.time, chart.sort) if each)]
    faults += [
        f"{chart.mart} has no column {column}"
        for column in named
        if column not in mart.columns
    ]
    shown = {*chart.columns} & mart.identifiers
    faults += [f"{column} stands for a person" for column in sorted(shown)]
    for metric in chart.saved_metrics:
        if metric not in metrics:
            faults.append(
                f"{chart.mart} has no metric {metric}; it has "
                f"{', '.join(metrics) or 'none'}"
            )
            continue
        missing = [by for by in metrics[metric].always_by if by not in chart.columns]
        if missing:
            faults.append(
                f"{metric} may not be pooled: group by {', '.join(missing)} as well"
            )
    for sql in (*chart.own_metrics.values(), chart.where, chart.persons):
        faults += _faults_of_sql(sql, chart.mart, mart)
    # Superset tells columns and metrics of a chart apart by what it calls them.
    shown_as = {
        called.casefold(): column
        for column in chart.columns
        if column in mart.columns
        for called in (column, mart.columns[column].label)
    }
    for label, sql in chart.own_metrics.items():
        if not _is_aggregate(sql):
            faults.append(f"{label}: {sql} is no aggregate")
        if column := shown_as.get(label.casefold()):
            faults.append(f"{label}: the column {column} is called so as well")
    needs_persons = mart.is_about_persons and chart.columns and not chart.persons
    if needs_persons and "customer_id" not in mart.columns:
        faults.append(
            f"rows of {chart.mart} are about persons; say with `persons` how many are "
            "behind a group, as an aggregate"
        )
    return faults


def _faults_of_sql(sql: str | None, name: str, mart: Mart) -> list[str]:
    if sql is None:
        return []
    try:
        parsed = sqlglot.parse_one(sql, dialect="duckdb")
    except ParseError as error:
        return [f"{sql}: {str(error).splitlines()[0]}"]
    used = {column.name for column in parsed.find_all(exp.Column)}
    return [f"{name} has no column {one}" for one in sorted(used - {*mart.columns})]


def _is_aggregate(sql: str) -> bool:
    try:
        return sqlglot.parse_one(sql, dialect="duckdb").find(exp.AggFunc) is not None
    except ParseError:
        return True  # Told already.
