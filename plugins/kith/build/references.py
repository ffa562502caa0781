"""References between source tables: rows whose counterpart never came are held back.

They are judged when the warehouse is prepared, on all that was admitted: it does not
matter which of two tables comes first, and a row comes back by itself in the build
after its counterpart has arrived. Until a row has waited for `orphan_wait_days` after
its own day, it is no bad one. A row of a snapshot has no day, and counts at once.
"""

import datetime as dt
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

import duckdb

from kith.admit.faults import SHOWN_CHARACTERS, shown_sql
from kith.admit.quarantine import counted_reasons, is_most, is_over, refusal
from kith.build.control_tables import write_warnings
from kith.company.folder import Company
from kith.company.tables import Column, Reference, SourceTable
from kith.database import fetch_row, literal, quote
from kith.deliveries.business_days import row_day_sql
from kith.errors import ConfigurationError, DeliveryError
from kith.runs.run import Interval, Run

REASON = "unknown_reference"


def hold_orphans_back(warehouse: duckdb.DuckDBPyConnection, run: Run) -> None:
    """Leave orphans out of the source views, and count them as quarantined.

    Expects the source views, `kith.run`, `kith.admitted_days`, `kith.source_warnings`
    and `kith.quarantined_rows`. A table without orphans keeps its view as it is.

    Raises ConfigurationError for references in a circle, and DeliveryError when more
    rows of a table have waited in vain than its limits allow, or most of those of the
    run's days wait.
    """
    if not any(_references(table) for table in run.company.sources):
        return
    with run.stage("references") as figures:
        figures |= {"orphans_held_back": 0, "orphans_waiting": 0, "orphans_let_pass": 0}
        figures |= {"warnings": [], "refused": []}
        for table in _parents_first(run.company):
            held_back: dict[str, str] = {}
            for column, reference in _references(table):
                values = _orphan_values(warehouse, run, table, column, reference)
                if values is None:
                    continue
                if reference.orphans == "quarantine":
                    held_back[column.name] = values
                    continue
                (count,) = fetch_row(
                    warehouse,
                    f"select count(*) from {_view(table)} "
                    f"where {quote(column.name)} in (select orphan from {values})",
                )
                figures["orphans_let_pass"] += count
                warning = (
                    f"{table.full_name}: column {column.name}: {count} rows without "
                    f"their counterpart in {reference.table}.{reference.column}; they "
                    "count all the same (orphans: warn)"
                )
                figures["warnings"].append(warning)
                write_warnings(warehouse, table, run.interval, [warning])
            if held_back:
                count, waiting, refused = _hold_back(warehouse, run, table, held_back)
                figures["orphans_held_back"] += count
                figures["orphans_waiting"] += waiting
                figures["refused"] += refused


def _references(table: SourceTable) -> list[tuple[Column, Reference]]:
    return [
        (column, column.rules.references)
        for column in table.columns
        if column.rules.references
    ]


def _parents_first(company: Company) -> Iterator[SourceTable]:
    """Tables in such an order that what is held back of one is no parent of the next.

    A table may refer to itself (an employee's superior): judged on all of its rows.
    """
    parents: dict[str, set[str]] = {}
    for table in company.sources:
        parents[table.full_name] = set()
        for _, reference in _references(table):
            if reference.orphans == "quarantine" and reference.table != table.full_name:
                parents[table.full_name].add(reference.table)
    try:
        order = list(TopologicalSorter(parents).static_order())
    except CycleError as error:
        raise ConfigurationError(
            f"sources.yml: tables refer to one another in a circle "
            f"({' → '.join(error.args[1])}); declare orphans: warn for one of them"
        ) from None
    return (company.table(name) for name in order)


def _view(table: SourceTable) -> str:
    return f"{quote(table.source)}.{quote(table.name)}"


def _orphan_values(
    warehouse: duckdb.DuckDBPyConnection,
    run: Run,
    table: SourceTable,
    column: Column,
    reference: Reference,
) -> str | None:
    """Table of the values of a column that its parent lacks; None if there are none."""
    source, _, name = reference.table.partition(".")
    values = f"kith.{quote(f'orphans_{table.source}__{table.name}__{column.name}')}"
    child, parent = quote(column.name), quote(reference.column)
    if (
        column.data_type
        != run.company.table(reference.table).column(reference.column).data_type
    ):
        child, parent = (f"cast({each} as varchar)" for each in (child, parent))
    (count,) = fetch_row(
        warehouse,
        f"""
        create table {values} as
        select distinct {quote(column.name)} as orphan
        from {_view(table)}
        where {quote(column.name)} is not null and {child} not in (
            select {parent} from {quote(source)}.{quote(name)}
            where {quote(reference.column)} is not null
        )
        """,
    )
    if count:
        return values
    warehouse.execute(f"drop table {values}")
    return None


def _hold_back(
    warehouse: duckdb.DuckDBPyConnection,
    run: Run,
    table: SourceTable,
    held_back: dict[str, str],
) -> tuple[int, int, list[str]]:
    """Part a table's view from its orphans; returns how many, and a line on them.

    Between the two stands how many of them still wait for their counterpart.

    `held_back` maps columns to the table of their orphan values. Of a row that is an
    orphan in several columns the first declared one is named.
    """
    whole = f"{quote(table.source)}.{quote(f'_kith_with_orphans_{table.name}')}"
    warehouse.execute(f"alter view {_view(table)} rename to {whole.partition('.')[2]}")
    is_orphan = {
        name: f"coalesce({quote(name)} in (select orphan from {values}), false)"
        for name, values in held_back.items()
    }
    warehouse.execute(
        f"create view {_view(table)} as select * from {whole} "
        f"where not ({' or '.join(is_orphan.values())})"
    )
    column = " ".join(
        f"when {condition} then {literal(name)}"
        for name, condition in is_orphan.items()
    )
    value = " ".join(
        f"when {condition} then {shown_sql(table, name)}"
        for name, condition in is_orphan.items()
    )
    expected = " ".join(
        f"when {condition} then {literal(f'a value of {parent.table}.{parent.column}')}"
        for name, condition in is_orphan.items()
        for parent in [table.column(name).rules.references]
        if parent
    )
    key = ", ".join(shown_sql(table, name) for name in table.rules.key)
    row = f"concat_ws(', ', {key})" if key else "row_key"
    # Not the time of the delivery: the same row has the same hash whenever it comes.
    payload = ", ".join(quote(each.name) for each in table.columns)
    day = row_day_sql(table, run.company.time_zone, run.interval)
    # A snapshot has its figures on the as-of date.
    counted_day = day if table.rules.cursor else "(select as_of_date from kith.run)"
    warehouse.execute(
        f"""
        create temp table orphans as
        select
            cast(null as varchar) as file,
            cast(null as bigint) as row_number,
            {literal(REASON)} as reason,
            case {column} end as column_name,
            left(case {value} end, {SHOWN_CHARACTERS}) as value,
            left(case {expected} end || ', for row ' || {row}, {SHOWN_CHARACTERS})
                as expected,
            md5(cast(json_array({payload}) as varchar)) as payload_hash,
            {day} as day,
            {counted_day} as delivery_day
        from {whole} as found
        where {" or ".join(is_orphan.values())}
        """
    )
    (count,) = fetch_row(warehouse, "select count(*) from orphans")
    (rows,) = fetch_row(warehouse, f"select count(*) from {whole}")
    waiting = _check_shares(warehouse, run, table, whole, day)
    refused = counted_reasons(warehouse, table, "orphans", rows, waiting)
    warehouse.execute(
        f"""
        insert into kith.quarantined_rows by name
        select {literal(table.source)} as source_name,
            {literal(table.name)} as table_name, *
        from orphans
        """
    )
    warehouse.execute(
        f"""
        update kith.admitted_days as counted
        set row_count = counted.row_count - found.orphans,
            quarantined_count = counted.quarantined_count + found.orphans
        from (
            select delivery_day as day, count(*) as orphans from orphans group by all
        ) as found
        where counted.source_name = {literal(table.source)}
            and counted.table_name = {literal(table.name)}
            and counted.day = found.day
        """
    )
    warehouse.execute("drop table orphans")
    return int(count), waiting, refused


def _check_shares(
    warehouse: duckdb.DuckDBPyConnection,
    run: Run,
    table: SourceTable,
    whole: str,
    day: str,
) -> int:
    """Raise DeliveryError when too many rows are orphans; returns how many still wait.

    Measured are those that have waited long enough: of all days, and of those whose
    time is over with this run, since a bad day would be lost among all. Of the run's
    days, most rows may not be orphans, waiting or not: then it is not they that are
    late. `day` is SQL of the business day of a row.
    """
    is_due, scopes = "true", {"rows": ("true", False)}
    if table.rules.cursor:
        days, wait = run.interval, dt.timedelta(table.rules.orphan_wait_days)
        (as_of,) = fetch_row(warehouse, "select as_of_date from kith.run")
        due = as_of - wait
        over_now = Interval(days.from_day - wait, min(days.to_day, due))
        is_due = f"day <= '{due}'"
        scopes = {f"rows until {due}": (is_due, False)}
        for some, may_wait in ((over_now, False), (days, True)):
            what = f"rows of {some.from_day} to {some.to_day}"
            within = f"day between '{some.from_day}' and '{some.to_day}'"
            scopes.setdefault(what, (within, may_wait))
    for what, (condition, may_wait) in scopes.items():
        (rows,) = fetch_row(
            warehouse,
            f"select count(*) from (select {day} as day from {whole}) "
            f"where {condition}",
        )
        orphans = f"(from orphans where {condition})"
        (count,) = fetch_row(warehouse, f"select count(*) from {orphans}")
        is_few = count <= table.rules.quarantine_limit_rows
        if may_wait and (is_few or not is_most(count, rows)):
            continue
        if is_over(table, count, rows):
            what = f"{what} are orphans"
            told = refusal(warehouse, table, orphans, orphans, rows, what)
            raise DeliveryError(told).showing(
                thing=table.full_name, rows=f"{count} of {rows} {what}"
            )
    (waiting,) = fetch_row(
        warehouse, f"select count(*) from orphans where not ({is_due})"
    )
    return int(waiting)
