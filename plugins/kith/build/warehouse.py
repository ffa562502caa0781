"""The warehouse before dbt: views over the admitted deliveries, and control tables."""

from pathlib import Path

import duckdb

from kith.build.control_tables import write_control_tables
from kith.build.references import hold_orphans_back
from kith.company.tables import SourceTable
from kith.database import connect, literal, parquet_sql, quote
from kith.deliveries.admitted import (
    DATA,
    FORMER,
    Delivery,
    admitted_deliveries,
    check_declarations,
    check_keys,
    counting,
    cursor_bounds,
    day_bounds,
    instant_bounds,
    owned_sql,
    spans,
)
from kith.deliveries.business_days import row_day_sql
from kith.deliveries.repeats import find_repeated, key_hash
from kith.runs.run import Interval, Run


def prepare_warehouse(run: Run, *, keeps_models: bool = False) -> None:
    """Write what dbt reads: a view for each source table, and the control tables.

    The file is made anew, unless what dbt built in it before is to be kept.
    """
    if not keeps_models:
        for stale in run.warehouse.parent.glob("kith_build.duckdb*"):
            stale.unlink()
    with connect(run.warehouse, scratch=run.folder / "scratch") as warehouse:
        write_sources(
            warehouse,
            run,
            [(table, admitted_deliveries(run, table)) for table in run.company.sources],
        )
        write_control_tables(warehouse, run)
        hold_orphans_back(warehouse, run)


def write_sources(
    warehouse: duckdb.DuckDBPyConnection,
    run: Run,
    admitted: list[tuple[SourceTable, list[Delivery]]],
) -> None:
    """Write the schemas of control and source tables, and a view for each of these."""
    for schema in ("kith", *{table.source for table, _ in admitted}):
        warehouse.execute(f"drop schema if exists {quote(schema)} cascade")
        warehouse.execute(f"create schema {quote(schema)}")
    warehouse.execute(
        "create temp table superseded (table_name varchar, day date, row_count bigint)"
    )
    check_keys(
        [
            (table, delivery)
            for table, deliveries in admitted
            for delivery in counting(deliveries)
        ]
    )
    for table, deliveries in admitted:
        check_declarations(table, counting(deliveries))
        warehouse.execute(
            f"create view {quote(table.source)}.{quote(table.name)} as "
            + _source_sql(warehouse, run, table, deliveries)
        )


def _source_sql(
    warehouse: duckdb.DuckDBPyConnection,
    run: Run,
    table: SourceTable,
    deliveries: list[Delivery],
) -> str:
    if not deliveries:
        columns = [
            f"cast(null as {column.data_type}) as {quote(column.name)}"
            for column in table.columns
        ]
        return f"select {', '.join(columns)} where false"
    rows = _counted_rows(warehouse, run, table, deliveries)
    # Admission leaves each key once per delivery, and a row that holds its cursor in
    # its key lies on one day, which one delivery owns.
    key = table.rules.key
    if len(deliveries) == 1 or not key or table.rules.cursor in key:
        return f"select * from {rows}"
    repeated = f"kith.{quote(f'repeated_{table.source}__{table.name}')}"
    if not find_repeated(warehouse, repeated, rows, key):
        return f"select * from {rows}"
    # Of a key in several deliveries the row with the latest cursor counts, as within
    # one, so that the outcome is the same whether the days came at once, one by one,
    # or in disorder. No two are equal: a cursor lies on one day, of one delivery.
    ranked = f"""
        select *, row_number() over (
            partition by {", ".join(map(quote, key))}
            order by {quote(table.rules.cursor or "")} desc
        ) as _kith_rank
        from {rows}
        where {key_hash(key)} in (from {repeated})
    """
    _count_superseded(
        warehouse, run, table, f"(from ({ranked}) where _kith_rank > 1)", 1
    )
    return f"""
        select * from {rows} where {key_hash(key)} not in (from {repeated})
        union all by name
        select * exclude (_kith_rank) from ({ranked}) where _kith_rank = 1
    """


def _counted_rows(
    warehouse: duckdb.DuckDBPyConnection,
    run: Run,
    table: SourceTable,
    deliveries: list[Delivery],
) -> str:
    """SQL of the admitted rows of each delivery on the days that belong to it.

    Of a key there may be several.
    """
    owned: dict[int, list[Interval]] = {}
    for span in spans(deliveries):
        owned.setdefault(span.number, []).append(span.days)
    files = {number: deliveries[number].folder / DATA for number in owned}
    # A snapshot is one delivery, and counts whole.
    whole = [number for number in owned if owned[number] == [deliveries[number].window]]
    partly = [number for number in owned if number not in whole]
    parts = []
    if whole:
        paths = [files[number] for number in whole]
        parts.append(f"select * from {parquet_sql(*paths, union_by_name='true')}")

    def on_own_days(paths: dict[int, Path]) -> str:
        return owned_sql(
            list(paths.values()),
            [
                (index, *cursor_bounds(table, days, run.company.time_zone))
                for index, number in enumerate(paths)
                for days in owned[number]
            ],
            quote(table.rules.cursor or ""),
        )

    if partly:
        parts.append(f"from {on_own_days({n: files[n] for n in partly})}")
    # A delivery that counts whole has the later row of each of these keys.
    former = {n: deliveries[n].folder / FORMER for n in partly}
    former = {number: path for number, path in former.items() if path.exists()}
    if former:
        parts.append(f"from {on_own_days(former)}")
        # They were counted as duplicates.
        _count_superseded(warehouse, run, table, on_own_days(former), -1)
    return _come_by(run, table, f"({' union all by name '.join(parts)})")


def _come_by(run: Run, table: SourceTable, rows: str) -> str:
    """SQL of the rows that had come on the day whose marts are made, if it is past."""
    arrived = table.rules.arrived
    if run.as_of is None or arrived is None:
        return rows
    day = Interval(run.as_of, run.as_of)
    kind = next(c.data_type.lower() for c in table.columns if c.name == arrived)
    bounds = (
        day_bounds(day)
        if kind == "date"
        else instant_bounds(day, run.company.time_zone)
    )
    column = quote(arrived)
    return f"(select * from {rows} where {column} is null or {column} < {bounds[1]})"


def _count_superseded(
    warehouse: duckdb.DuckDBPyConnection,
    run: Run,
    table: SourceTable,
    rows: str,
    sign: int,
) -> None:
    """Note by day how many rows more (or, by the sign, fewer) have a later one."""
    day = row_day_sql(table, run.company.time_zone, run.interval)
    warehouse.execute(
        f"""
        insert into superseded
        select {literal(table.full_name)}, {day}, {sign} * count(*)
        from {rows}
        group by all
        """
    )
