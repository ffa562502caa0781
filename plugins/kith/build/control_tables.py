"""The control tables: what Kith itself knows of a run, for dbt to read.

dbt's declaration of the source `kith` names their columns and types, and nothing else
does: a new column stands there, and is filled by whoever writes the table.
"""

import datetime as dt
import functools
from typing import Any

import duckdb
import yaml

from kith.build.dbt import DBT_PROJECT
from kith.company.folder import ALWAYS_BLOCKED, feed_names
from kith.company.tables import Freshness, Period, SourceTable
from kith.database import literal, parquet_sql
from kith.deliveries.admitted import (
    REFUSED,
    Delivery,
    admitted_deliveries,
    all_deliveries,
    counting,
    day_bounds,
    day_counts_sql,
    delivery_days,
    late_counts,
    newest_readers,
    owned_sql,
    spans,
    unreached_counts,
)
from kith.deliveries.business_days import has_date_cursor
from kith.incidents.history import incidents
from kith.pull.pseudonyms import hashes_of
from kith.runs.run import Interval, Run

DECLARATION = DBT_PROJECT / "models" / "_kith_sources.yml"
# Logs of earlier runs, kept as one Parquet file per run in history/<table>/.
HISTORIES = ("gate_results", "publications", "restatements", "model_runs")
# Marts that tell of runs and not of the data that were delivered.
LOGS = (*HISTORIES, "incidents")


@functools.cache
def declared() -> dict[str, dict[str, str]]:
    """Data type of each column of each control table."""
    (source,) = yaml.safe_load(DECLARATION.read_text(encoding="utf-8"))["sources"]
    return {
        table["name"]: {each["name"]: each["data_type"] for each in table["columns"]}
        for table in source["tables"]
    }


def create_table(warehouse: duckdb.DuckDBPyConnection, name: str) -> None:
    """Create the control table of that name, empty."""
    columns = ", ".join(f"{column} {kind}" for column, kind in declared()[name].items())
    warehouse.execute(f"create table kith.{name} ({columns})")


def as_of_date(run: Run) -> dt.date:
    """Last business day that the marts cover.

    It is the newest day admitted so far, not the end of this run's interval: a
    backfill of last spring mends the marts of today, it does not turn them back.
    """
    if run.as_of:
        return run.as_of
    days = [run.interval.to_day]
    for table in run.company.sources:
        days += [each.interval.to_day for each in all_deliveries(run, table)]
    return max(days)


def write_control_tables(warehouse: duckdb.DuckDBPyConnection, run: Run) -> None:
    """Create and fill all of them in the schema `kith`.

    Expects a temporary table `superseded` of rows that count as duplicates, by day.
    """
    for name in declared():
        create_table(warehouse, name)
    as_of = as_of_date(run)
    insert_rows(warehouse, "run", [run_values(run)])
    insert_rows(
        warehouse,
        "source_tables",
        [
            {
                "source_name": table.source,
                "table_name": table.name,
                "is_incremental": table.rules.cursor is not None,
                "late_limit_pct": table.rules.late_limit_pct,
                "warn_after_hours": _hours(limits.warn_after),
                "error_after_hours": _hours(limits.error_after),
            }
            for table in run.company.sources
            for limits in [table.freshness or Freshness()]
        ],
    )
    insert_rows(
        warehouse,
        "feeds_provided",
        [
            {"feed": feed, "is_provided": bool(run.company.feeds.get(feed))}
            for feed in feed_names()
        ],
    )
    _write_blocked(warehouse, run)
    _write_door_tables(warehouse, run, as_of)
    _write_incidents(warehouse, run)
    for name in HISTORIES:
        files = sorted((run.folder / "history" / name).glob("*.parquet"))
        if files:
            warehouse.execute(
                f"insert into kith.{name} by name "
                f"from {parquet_sql(*files, union_by_name='true')}"
            )


def run_values(run: Run) -> dict[str, Any]:
    """What `kith.run` says of a run."""
    as_of = as_of_date(run)
    _, as_of_at = Interval(as_of, as_of).bounds_utc(run.company.time_zone)
    return {
        "company": run.company.name,
        "run_id": run.run_id,
        "as_of_date": as_of,
        "as_of_at": as_of_at,
        "first_day": run.company.first_day,
    }


def insert_rows(
    warehouse: duckdb.DuckDBPyConnection, name: str, rows: list[dict[str, Any]]
) -> None:
    """Add rows to the control table of that name; all have the same columns."""
    columns = rows[0]
    warehouse.executemany(
        f"insert into kith.{name} ({', '.join(columns)}) "
        f"values ({', '.join('?' * len(columns))})",
        [list(row.values()) for row in rows],
    )


def _write_blocked(warehouse: duckdb.DuckDBPyConnection, run: Run) -> None:
    """Identifiers that stand for nobody; hashed where deliveries hold hashes."""
    blocked = {kind: list(values) for kind, values in ALWAYS_BLOCKED.items()}
    for kind, values in run.company.identity.blocked.items():
        blocked[kind] = list(dict.fromkeys([*blocked.get(kind, []), *values]))
    rows = hashes_of(run.company.sources, blocked, "company.yml: identity.blocked.")
    hashed = {kind for kind, _ in rows}
    rows += [
        (kind, value)
        for kind, values in run.company.identity.blocked.items()
        for value in values
        if kind not in hashed
    ]
    if rows:
        columns = ("identifier_type", "identifier_value")
        insert_rows(
            warehouse,
            "blocked_identifiers",
            [dict(zip(columns, row, strict=True)) for row in rows],
        )


def _write_incidents(warehouse: duckdb.DuckDBPyConnection, run: Run) -> None:
    """What is known of each incident now, as the mart shows it."""
    columns = declared()["incidents"]
    known = incidents(run.folder)
    rows = [{name: getattr(each, name) for name in columns} for each in known]
    if rows:
        insert_rows(warehouse, "incidents", rows)


def _hours(period: Period | None) -> float | None:
    if period is None:
        return None
    return period.count * {"minute": 1 / 60, "hour": 1, "day": 24}[period.period]


def _write_door_tables(
    warehouse: duckdb.DuckDBPyConnection, run: Run, as_of: dt.date
) -> None:
    """What admission counted, and what it refused, over the deliveries that count."""
    for table in run.company.sources:
        deliveries = admitted_deliveries(run, table)
        if not deliveries:
            continue
        _write_warnings(warehouse, table, deliveries)
        _write_quarantined(warehouse, table, deliveries, as_of)
        if table.rules.cursor:
            _write_days(warehouse, run, table, deliveries, as_of)
        else:
            days = parquet_sql(deliveries[0].folder / "days.parquet")
            warehouse.execute(
                f"""
                insert into kith.admitted_days by name
                select
                    {literal(table.source)} as source_name,
                    {literal(table.name)} as table_name,
                    date '{as_of}' as day,
                    row_count,
                    quarantined_count,
                    duplicate_count,
                    0 as late_count,
                    0 as out_of_window_count,
                    0 as outside_count
                from {days}
                """
            )


def _write_warnings(
    warehouse: duckdb.DuckDBPyConnection,
    table: SourceTable,
    deliveries: list[Delivery],
) -> None:
    """What admission warned of, of each delivery to which a day belongs."""
    for delivery in counting(deliveries):
        write_warnings(warehouse, table, delivery.interval, delivery.report["warnings"])


def write_warnings(
    warehouse: duckdb.DuckDBPyConnection,
    table: SourceTable,
    days: Interval,
    warnings: list[str],
) -> None:
    """Add warnings of a table's delivery for some days to `kith.source_warnings`."""
    rows = [
        {
            "source_name": table.source,
            "table_name": table.name,
            "from_day": days.from_day,
            "to_day": days.to_day,
            "warning": warning,
        }
        for warning in dict.fromkeys(warnings)
    ]
    if rows:
        insert_rows(warehouse, "source_warnings", rows)


def _write_days(
    warehouse: duckdb.DuckDBPyConnection,
    run: Run,
    table: SourceTable,
    deliveries: list[Delivery],
    as_of: dt.date,
) -> None:
    """A row for each day that was delivered, or of which a row was left out.

    Refused rows are those of `kith.quarantined_rows`.
    """
    late = [
        f"(date '{day}', {late}, {out_of_window}, 0)"
        for day, (late, out_of_window) in late_counts(warehouse, deliveries).items()
    ]
    late += [
        f"(date '{min(day, as_of)}', 0, 0, {rows})"
        for day, rows in unreached_counts(deliveries).items()
        if rows
    ]
    newest_at = "newest_at"
    if has_date_cursor(table):
        # A day without a time is as new as can be: it ends when the day ends.
        zone = literal(run.company.time_zone)
        midnight = "cast(day as timestamp) + interval 1 day"
        newest_at = f"timezone('UTC', timezone({zone}, {midnight}))"
    warehouse.execute(
        f"""
        insert into kith.admitted_days by name
        select
            {literal(table.source)} as source_name,
            {literal(table.name)} as table_name,
            day,
            days.row_count - coalesce(later.row_count, 0) as row_count,
            coalesce(refused.row_count, 0) as quarantined_count,
            coalesce(duplicate_count, 0) + coalesce(later.row_count, 0)
                as duplicate_count,
            coalesce(late_count, 0) as late_count,
            coalesce(out_of_window_count, 0) as out_of_window_count,
            coalesce(outside_count, 0) as outside_count,
            case when days.row_count > 0 then {newest_at} end as newest_at
        from {day_counts_sql(deliveries)} as days
        full join (
            select
                day,
                sum(late_count)::bigint as late_count,
                sum(out_of_window_count)::bigint as out_of_window_count,
                sum(outside_count)::bigint as outside_count
            from (
                values {", ".join(late) or "(cast(null as date), 0, 0, 0)"}
            ) as told (day, late_count, out_of_window_count, outside_count)
            group by day
        ) as late using (day)
        full join (
            select delivery_day as day, count(*) as row_count
            from kith.quarantined_rows
            where source_name = {literal(table.source)}
                and table_name = {literal(table.name)}
            group by delivery_day
        ) as refused using (day)
        left join (
            select day, cast(sum(row_count) as bigint) as row_count
            from superseded where table_name = {literal(table.full_name)}
            group by day
        ) as later using (day)
        where day is not null
        """
    )


def _write_quarantined(
    warehouse: duckdb.DuckDBPyConnection,
    table: SourceTable,
    deliveries: list[Delivery],
    as_of: dt.date,
) -> None:
    """Refused rows of each delivery on the days that belong to it.

    A row of no day of the window (illegible, or in the future) comes with each delivery
    of its file, so that it counts as the newest of them has it, on the day of the
    delivery; that of a snapshot is the as-of date.
    """
    files = [delivery.folder / REFUSED for delivery in deliveries]
    kept = [number for number, file in enumerate(files) if file.is_file()]
    if not kept:
        return
    index = {number: index for index, number in enumerate(kept)}
    paths = [files[number] for number in kept]
    dated = [
        (index[span.number], *day_bounds(span.days))
        for span in spans(deliveries)
        if span.number in index
    ]
    days = delivery_days(deliveries) if table.rules.cursor else {}
    undated = ", ".join(
        f"({index[number]}, {literal(origin)}, {', '.join(day_bounds(window))}, "
        f"date '{min(days.get(origin, as_of), as_of)}')"
        for origin, number in newest_readers(deliveries).items()
        for window in [deliveries[number].window]
        if number in index
    )
    parts = []
    if dated:
        parts.append(
            f"select *, day as delivery_day from {owned_sql(paths, dated, 'day')}"
        )
    if undated:
        parts.append(
            f"""
            select found.*, newest.delivery_day
            from {parquet_sql(*paths, union_by_name="true")} as found
            inner join (
                values {undated}
            ) as newest (number, origin, low, high, delivery_day)
                on found.file_index = newest.number
                and found.file = newest.origin
                and coalesce(found.day < newest.low or found.day >= newest.high, true)
            """
        )
    warehouse.execute(
        "insert into kith.quarantined_rows by name " + " union all by name ".join(parts)
    )
