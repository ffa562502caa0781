"""Which of the admitted deliveries counts for which business day of a table.

A day belongs to the newest delivery whose window covers it: what it no longer brings
is gone, and the order in which days were run does not matter.
"""

import datetime as dt
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from kith.company.tables import SourceTable
from kith.database import parquet_sql
from kith.deliveries.business_days import has_date_cursor
from kith.deliveries.raw import LateRows, MissedRows
from kith.errors import ConfigurationError
from kith.runs.run import Interval, Run
from kith.storage import sha256_of

# Each key once; and beside it rows of former days of keys that came again, which count
# where the later row does not: once its day has been delivered anew without it.
DATA, FORMER = "data.parquet", "former.parquet"
# What was refused of the delivery. The quarantine has that of the last attempt, which
# may have been refused as a whole.
REFUSED = "refused.parquet"


@dataclass(frozen=True)
class Delivery:
    """What was admitted for an interval: `report.json` and the files beside it."""

    folder: Path
    report: dict[str, Any]

    @property
    def interval(self) -> Interval:
        """The days that the run asked for."""
        return Interval.from_slug(self.folder.name)

    @property
    def window(self) -> Interval:
        """The days whose rows it holds."""
        return Interval.from_slug(self.report["window"])

    @property
    def delivered_at(self) -> dt.datetime:
        """When it was pulled, UTC."""
        return dt.datetime.fromisoformat(self.report["delivered_at"])

    @property
    def is_pruned(self) -> bool:
        """Whether its rows were removed, and only what was counted of them stays."""
        return not (self.folder / DATA).is_file()

    @property
    def asked_days(self) -> str:
        """The days that the run asked for, as people write them."""
        return f"{self.interval.from_day} to {self.interval.to_day}"

    @property
    def file_days(self) -> dict[str, dt.date]:
        """Of each origin whose name tells the day of its delivery, that day."""
        told = self.report.get("file_days", {})
        return {origin: dt.date.fromisoformat(day) for origin, day in told.items()}

    @property
    def late(self) -> list[LateRows]:
        """Rows that came late, and those out of the window that came in its days."""
        return [LateRows(**entry) for entry in self.report["late"]]

    @property
    def suppressed_days(self) -> dict[dt.date, int]:
        """Rows of erased persons, which the source may still hold, by day."""
        told = self.report.get("suppressed_days", {})
        return {dt.date.fromisoformat(day): rows for day, rows in told.items()}

    @property
    def missed(self) -> MissedRows | None:
        """What was found of days before the window that had been pulled before."""
        found = self.report["missed"]
        return MissedRows(**found) if found else None


def declaration_id(table: SourceTable) -> str:
    """What admission makes of a delivery changes with it: keys and rules of columns."""
    rules = table.rules.model_dump(
        mode="json",
        include={"key", "cursor", "arrived", "drop_exact_duplicates", "repeated_key"},
    )
    columns = [
        [
            column.name,
            column.data_type.lower(),
            column.rules.model_dump(mode="json", exclude={"references"}),
        ]
        for column in table.columns
    ]
    return sha256_of([rules, columns])[:12]


def outdated(table: SourceTable, deliveries: list[Delivery]) -> list[Delivery]:
    """Those that were admitted under another declaration than today's.

    Or by a version of Kith that left rows where they lay in raw.
    """
    now = declaration_id(table)
    return [
        each
        for each in deliveries
        if each.report["declaration"] != now or each.report.get("in_place")
    ]


def check_declarations(table: SourceTable, deliveries: list[Delivery]) -> None:
    """Raise ConfigurationError where a delivery was admitted under other rules.

    Rows that counted under the former ones would stand beside rows under today's.
    """
    pruned = [each for each in deliveries if each.is_pruned]
    if pruned:
        # Only where a table that was delivered whole has got a cursor since.
        more = f" and {len(pruned) - 1} more deliveries" if pruned[1:] else ""
        raise ConfigurationError(
            f"{table.full_name}: the rows of the delivery of {pruned[0].asked_days}"
            f"{more} were pruned when the table had no cursor and a newer delivery "
            "took their place; have them pulled again: make run FROM= TO= with these "
            "days"
        )
    stale = outdated(table, deliveries)
    if stale:
        more = f" and {len(stale) - 1} more deliveries" if stale[1:] else ""
        raise ConfigurationError(
            f"{table.full_name}: the delivery of {stale[0].asked_days}{more} was "
            "admitted before key, cursor or columns were changed in sources.yml; have "
            "it judged anew: make replay FROM= TO= with these days (make run, where a "
            "pii class was changed, since raw holds what was hashed then)"
        )


def check_keys(deliveries: list[tuple[SourceTable, Delivery]]) -> None:
    """Raise ConfigurationError where identifiers were hashed with several keys.

    One person would be two.
    """
    known: dict[str, str] = {}
    for table, delivery in sorted(deliveries, key=lambda each: each[1].delivered_at):
        if key_id := delivery.report.get("key_id"):
            known[key_id] = f"{table.full_name} of {delivery.asked_days}"
    if len(known) > 1:
        (former, one), *_, (latest, other) = known.items()
        raise ConfigurationError(
            f"identifiers of {one} were hashed with the key {former}, those of {other} "
            f"with {latest}: one person would be two; set KITH_IDENTIFIER_KEY to the "
            f"former key and run the days since then again, or run all days with the "
            "new one"
        )


@dataclass(frozen=True)
class Span:
    """Days in a row that belong to the delivery of that number."""

    number: int
    days: Interval


def all_deliveries(run: Run, table: SourceTable) -> list[Delivery]:
    """What was admitted for each interval, in the order in which it was pulled."""
    folder = run.admitted(table.full_name)
    reports = folder.glob("[0-9]*-[0-9]*/report.json")
    return sorted(
        (Delivery(path.parent, json.loads(path.read_text())) for path in reports),
        key=lambda delivery: (delivery.delivered_at, delivery.folder.name),
    )


def admitted_deliveries(run: Run, table: SourceTable) -> list[Delivery]:
    """Deliveries whose rows may count, the oldest first.

    All of an incremental table; of a snapshot only that of the latest day.
    """
    deliveries = all_deliveries(run, table)
    if not table.rules.cursor:
        # Of two that end on one day the later one stands behind the other.
        deliveries.sort(key=lambda delivery: delivery.interval.to_day)
        return deliveries[-1:]
    return deliveries


def spans(deliveries: list[Delivery]) -> list[Span]:
    """The days that belong to each delivery; `deliveries` has the oldest first."""
    owners: dict[int, int] = {}
    for number, delivery in enumerate(deliveries):
        first, last = delivery.window.from_day, delivery.window.to_day
        days = range(first.toordinal(), last.toordinal() + 1)
        owners.update(dict.fromkeys(days, number))
    # Days in a row lie as far apart as their places in the order.
    stretches = itertools.groupby(
        enumerate(sorted(owners)), lambda pair: (owners[pair[1]], pair[1] - pair[0])
    )
    found = []
    for (number, _), stretch in stretches:
        ordinals = [ordinal for _, ordinal in stretch]
        ends = map(dt.date.fromordinal, (ordinals[0], ordinals[-1]))
        found.append(Span(number, Interval(*ends)))
    return found


def counting(deliveries: list[Delivery]) -> list[Delivery]:
    """Those to which a day belongs; `deliveries` has the oldest first."""
    numbers = {span.number for span in spans(deliveries)}
    return [deliveries[number] for number in sorted(numbers)]


def suppressed_rows(deliveries: list[Delivery]) -> Counter[dt.date]:
    """Rows of erased persons by day, each day as its owner counted it."""
    found: Counter[dt.date] = Counter()
    for span in spans(deliveries):
        erased = deliveries[span.number].suppressed_days
        found.update({day: n for day, n in erased.items() if day in span.days})
    return found


def past_of(window: Interval, deliveries: list[Delivery]) -> Interval | None:
    """The days before a window that were delivered, all in a row up to it."""
    before = _before(window.from_day)
    covering = [s.days for s in spans(deliveries) if s.days.from_day <= before]
    first = window.from_day
    for days in reversed(covering):
        if days.to_day < _before(first):
            break
        first = days.from_day
    return Interval(first, before) if first <= before else None


def day_counts_sql(deliveries: list[Delivery]) -> str:
    """SQL of `days.parquet` of all deliveries, each day as its owner counted it."""
    files = [delivery.folder / "days.parquet" for delivery in deliveries]
    owned = [(span.number, *day_bounds(span.days)) for span in spans(deliveries)]
    return owned_sql(files, owned, "day")


def day_bounds(days: Interval) -> tuple[str, str]:
    """SQL of the first day and of the first one after, for a column of dates."""
    return f"date '{days.from_day}'", f"date '{days.to_day + dt.timedelta(days=1)}'"


def instant_bounds(days: Interval, time_zone: str) -> tuple[str, str]:
    """SQL of the first instant and of the first one after, for a column of these."""
    start, end = days.bounds_utc(time_zone)
    return f"timestamp '{start}'", f"timestamp '{end}'"


def cursor_bounds(
    table: SourceTable, days: Interval, time_zone: str
) -> tuple[str, str]:
    """SQL of the first value of days and of the first one after, for a cursor."""
    if has_date_cursor(table):
        return day_bounds(days)
    return instant_bounds(days, time_zone)


def owned_sql(files: list[Path], owned: list[tuple[int, str, str]], column: str) -> str:
    """SQL of the rows of Parquet files that lie within the bounds of their file.

    `owned` holds the number of a file in the list, least value of the column and first
    one beyond; a file may have several such stretches. A join, since one branch of a
    union for each of hundreds of files takes longer to plan than to read.
    """
    values = ", ".join(f"({number}, {low}, {high})" for number, low, high in owned)
    return f"""
        (
            select found.* exclude (_kith_file)
            from (
                select *, file_index as _kith_file
                from {parquet_sql(*files, union_by_name="true")}
            ) as found
            inner join (values {values}) as owned (number, low, high)
                on found._kith_file = owned.number
                and found.{column} >= owned.low
                and found.{column} < owned.high
        )
    """


def late_counts(
    connection: duckdb.DuckDBPyConnection, deliveries: list[Delivery]
) -> dict[dt.date, tuple[int, int]]:
    """Of each day how many rows came late, and how many out of every window.

    Rows that were missed count on the last day of the delivery that found it so.
    """
    late, out_of_window = _told_by_arrival(deliveries)
    for delivery, missed in missed_rows(connection, deliveries):
        out_of_window[delivery.interval.to_day] += missed
    return {day: (late[day], out_of_window[day]) for day in {*late, *out_of_window}}


def _told_by_arrival(
    deliveries: list[Delivery],
) -> tuple[Counter[dt.date], Counter[dt.date]]:
    """Late rows and rows out of the window by day, where their arrival is known.

    A late row is counted by the owner of its day, as that delivered it; one out of the
    window by the owner of the day on which it came, since nobody delivered it.
    """
    owner = {day: span.number for span in spans(deliveries) for day in _days(span.days)}
    late: Counter[dt.date] = Counter()
    out_of_window: Counter[dt.date] = Counter()
    for number, delivery in enumerate(deliveries):
        for rows in delivery.late:
            if rows.is_out_of_window and owner[rows.arrival_day] == number:
                out_of_window[rows.day] += rows.rows
            elif not rows.is_out_of_window and owner[rows.day] == number:
                late[rows.day] += rows.rows
    return late, out_of_window


def newest_readers(deliveries: list[Delivery]) -> dict[str, int]:
    """Of each origin the number of the newest delivery that read it."""
    return {
        origin: number
        for number, delivery in enumerate(deliveries)
        for origin in delivery.report["files"]
    }


def delivery_days(deliveries: list[Delivery]) -> dict[str, dt.date]:
    """Of each origin the day of its delivery, on which its rows without a day count.

    It is that of its name, else the last one of the runs that read it.
    """
    days: dict[str, dt.date] = {}
    for delivery in sorted(deliveries, key=lambda each: each.interval.to_day):
        days |= dict.fromkeys(delivery.report["files"], delivery.interval.to_day)
    for delivery in deliveries:
        days |= delivery.file_days
    return days


def unreached_counts(deliveries: list[Delivery]) -> Counter[dt.date]:
    """Rows on days that no run takes, by the day of the delivery of their file."""
    days = delivery_days(deliveries)
    counts: Counter[dt.date] = Counter()
    for origin, number in newest_readers(deliveries).items():
        rows = deliveries[number].report.get("unreached", {})
        counts[days[origin]] += rows.get(origin, 0)
    return counts


def missed_rows(
    connection: duckdb.DuckDBPyConnection, deliveries: list[Delivery]
) -> list[tuple[Delivery, int]]:
    """Rows that each delivery found missed in its past and that still are.

    A later delivery of these days may have brought some of them.
    """
    if not any(delivery.missed for delivery in deliveries):
        return []
    known = _rows_known(connection, deliveries)
    found: list[tuple[Delivery, int]] = []
    for delivery in deliveries:
        if not delivery.missed:
            continue
        past = Interval(delivery.missed.from_day, _before(delivery.window.from_day))
        others = sum(rows for _, rows in found)
        surplus = delivery.missed.rows_in_past - _sum(known, past) - others
        found.append((delivery, max(0, min(delivery.missed.rows, surplus))))
    return found


def find_missed(
    connection: duckdb.DuckDBPyConnection,
    deliveries: list[Delivery],
    past: Interval,
    interval: Interval,
    rows_in_past: int,
) -> MissedRows:
    """Rows of earlier days beyond those that were delivered when these were pulled.

    `rows_in_past` counts what the source holds of these days now. What deliveries of
    other intervals than this one found missed is not missed twice.
    """
    known = _sum(_rows_known(connection, deliveries), past)
    known += sum(
        rows
        for delivery, rows in missed_rows(connection, deliveries)
        if delivery.interval != interval
    )
    return MissedRows(
        from_day=past.from_day,
        rows_in_past=rows_in_past,
        rows=max(0, rows_in_past - known),
    )


def _rows_known(
    connection: duckdb.DuckDBPyConnection, deliveries: list[Delivery]
) -> Counter[dt.date]:
    """Rows of each day of which we know, whatever became of them."""
    _, known = _told_by_arrival(deliveries)
    known.update(
        dict(
            connection.execute(
                "select day, row_count + quarantined_count + duplicate_count "
                f"from {day_counts_sql(deliveries)}"
            ).fetchall()
        )
    )
    known.update(suppressed_rows(deliveries))
    return known


def _sum(known: Counter[dt.date], days: Interval) -> int:
    return sum(known[day] for day in _days(days))


def _days(days: Interval) -> Iterator[dt.date]:
    for number in range((days.to_day - days.from_day).days + 1):
        yield days.from_day + dt.timedelta(days=number)


def _before(day: dt.date) -> dt.date:
    return day - dt.timedelta(days=1)
