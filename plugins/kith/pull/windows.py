"""Which rows of a delivery belong to the window of an attempt, and which came late.

A row belongs to the business day of its cursor. It came late when it reached the source
on a later business day, and is out of the window when it came more than
`look_back_days` later: no window takes it then, whatever its days, so that days pulled
one by one and all at once give the same rows.
"""

import datetime as dt
from dataclasses import dataclass, field

from kith.company.tables import SourceTable
from kith.database import parquet_sql, quote
from kith.deliveries.business_days import (
    business_day,
    day_sql,
    has_date_cursor,
    row_day_sql,
)
from kith.deliveries.casts import declared_types, is_time, read_column, with_texts
from kith.deliveries.raw import PLACEHOLDERS, LateRows, UnreachedRows
from kith.pull.connectors.request import Fetched, FetchRequest
from kith.runs.run import Interval


@dataclass
class Share:
    """The rows of one file that belong to a window; all when `condition` is None.

    Rows before and after it belong to other windows. `late` tells of those taken that
    came late, and of those out of every window that came within the days of this one:
    `out_of_window` in all. `in_past` counts the rows of days that were pulled before,
    where nothing tells when these came to the source. `ahead_of` is set where the file
    holds rows that were not there yet when it was delivered: the first such moment.
    `unreached` tells of the rows before or after that belong to no window at all.
    """

    taken: int = 0
    before: int = 0
    after: int = 0
    out_of_window: int = 0
    late: list[LateRows] = field(default_factory=list)
    watermark: dt.datetime | dt.date | None = None
    condition: str | None = None
    in_past: int | None = None
    ahead_of: dt.datetime | dt.date | None = None
    unreached: UnreachedRows | None = None


def window_of(table: SourceTable, interval: Interval) -> Interval:
    """The business days that a run of some days delivers."""
    if table.rules.cursor is None:
        return interval
    look_back = dt.timedelta(days=table.rules.look_back_days)
    return Interval(interval.from_day - look_back, interval.to_day)


def share(request: FetchRequest, delivery: Fetched, delivered_at: dt.datetime) -> Share:
    """Find the rows of the window; reads nothing but cursor and day of arrival.

    Rows without a legible cursor, or with one later than the clock or than the day
    after the file's own, belong to it too: no window would ever take them, so that each
    shows them to admission.
    """
    table, window = request.table, request.window
    name, zone = table.rules.cursor, request.time_zone
    texts: dict[str, str] = {}
    cursor = _read_sql(table, name, delivery, texts)
    if not name or not cursor:
        # Without its cursor a delivery is for admission to refuse.
        return Share(taken=delivery.rows)
    is_date = has_date_cursor(table)
    today = business_day(delivered_at, zone)
    now = today if is_date else delivered_at
    beyond = None
    if delivery.arrival_day:
        # A file may be cut at another midnight than the company's.
        next_day = delivery.arrival_day + dt.timedelta(1)
        _, beyond = _bounds(Interval(next_day, next_day), is_date, zone)
        now = min(now, beyond - beyond.resolution)
    arrived = _read_sql(table, table.rules.arrived, delivery, texts)
    arrivals = []
    if arrived:
        kind = declared_types(table)[table.rules.arrived or ""]
        arrivals.append(day_sql("arrived", kind, zone, window))
    if delivery.arrival_day:
        arrivals.append(f"date '{delivery.arrival_day}'")
    day = row_day_sql(table, zone, window, "moment")
    stored = parquet_sql(delivery.path, file_row_number="true")
    # A table, since to read a text takes a long expression: once.
    request.duckdb.execute(
        f"""
        create or replace temp table moments as
        select
            file_row_number,
            moment,
            case when moment <= '{now}' then {day} end as day,
            coalesce({", ".join([*arrivals, "cast(null as date)"])}) as told,
            case when told <= date '{today}' then told end as arrival_day
        from (
            select file_row_number, {cursor} as moment, {arrived or "null"} as arrived
            from {with_texts(stored, texts)}
        )
        """
    )
    found = Share()
    dateless = in_past = 0
    for day, arrival_day, rows, newest in request.duckdb.execute(
        "select day, arrival_day, count(*), max(moment) from moments "
        "group by all order by all"
    ).fetchall():
        if day is None:
            dateless += rows
            found.ahead_of = beyond if newest else found.ahead_of
            continue
        if _side(day, window) == 0:
            found.watermark = max(newest, found.watermark or newest)
        if request.past and request.past.from_day <= day <= request.past.to_day:
            in_past += rows
        days_late = (arrival_day - day).days if arrival_day else 0
        is_unreached = _is_unreached(request, day)
        if is_unreached:
            found.unreached = _added(found.unreached, day, rows, newest)
        is_out_of_window = days_late > table.rules.look_back_days and not is_unreached
        # Too late for any window, a row counts where it came.
        side = _side(arrival_day if is_out_of_window else day, window)
        if side < 0:
            found.before += rows
        elif side > 0:
            found.after += rows
        elif is_out_of_window:
            found.out_of_window += rows
        else:
            found.taken += rows
        if side == 0 and days_late > 0:
            found.late.append(
                LateRows(
                    day=day,
                    arrival_day=arrival_day,
                    rows=rows,
                    is_out_of_window=is_out_of_window,
                )
            )
    found.taken += dateless
    # Where arrivals are told, they tell which rows are too late.
    if request.past and not arrivals:
        found.in_past = in_past
    if delivery.rows_in_past is not None:
        found.in_past = delivery.rows_in_past
    if found.taken < delivery.rows:
        found.condition = _condition(request, delivery, dateless)
    return found


def _condition(request: FetchRequest, delivery: Fetched, dateless: int) -> str:
    """SQL of whether a row of the file belongs to the window."""
    table, window = request.table, request.window
    taken = f"""
        file_row_number in (
            select file_row_number
            from moments
            where day is null
                or (
                    day between '{window.from_day}' and '{window.to_day}'
                    and coalesce(
                        arrival_day - day <= {table.rules.look_back_days}, true
                    )
                )
        )
    """
    (name, *others) = table.column(table.rules.cursor or "").names_in(delivery.columns)
    if others or dateless or not is_time(delivery.columns[name]):
        return taken
    # In the file's own type, so that row groups can be skipped unread. Two days more on
    # each side, since its clocks may be those of another zone.
    margin = dt.timedelta(days=2)
    start, end = _bounds(window, has_date_cursor(table), request.time_zone)
    return (
        f"{quote(name)} >= '{start - margin}' and {quote(name)} < '{end + margin}' "
        f"and {taken}"
    )


def _read_sql(
    table: SourceTable, name: str | None, delivery: Fetched, texts: dict[str, str]
) -> str | None:
    """SQL of a declared column; None where there is none, or it did not come."""
    if name is None:
        return None
    kind = declared_types(table)[name]
    column = table.column(name)
    reading = read_column(column, delivery.columns, kind, delivery.has_odd_signs, texts)
    return reading.typed if reading else None


def _is_unreached(request: FetchRequest, day: dt.date) -> bool:
    first, last = request.reach
    return bool((first and day < first) or (last and day > last))


def _added(
    known: UnreachedRows | None, day: dt.date, rows: int, moment: dt.date
) -> UnreachedRows:
    """Unreached rows, with more of a day; `moment` is one of theirs."""
    known = known or UnreachedRows(from_day=day, to_day=day)
    # Written without a zone, the first moment of a day may lie on the day before.
    utc_day = moment.date() if isinstance(moment, dt.datetime) else moment
    found = next((each for each in (day, utc_day) if each in PLACEHOLDERS), None)
    placeholders = dict(known.placeholders)
    if found:
        placeholders[found] = placeholders.get(found, 0) + rows
    return UnreachedRows(
        rows=known.rows + rows,
        from_day=min(day, known.from_day),
        to_day=max(day, known.to_day),
        placeholders=placeholders,
    )


def _side(day: dt.date, window: Interval) -> int:
    """-1 before a window, 0 in it, 1 after it."""
    return (day > window.to_day) - (day < window.from_day)


def _bounds(days: Interval, is_date: bool, time_zone: str) -> tuple[dt.date, dt.date]:
    """First day or instant, and first one after."""
    if is_date:
        return days.from_day, days.to_day + dt.timedelta(1)
    return days.bounds_utc(time_zone)
