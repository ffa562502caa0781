"""Which rows of a delivery belong to the window of an attempt, and which came late.

A row belongs to the business day of its cursor. It came late when it reached the source
on a later business day, and is out of the window when it came more than
`look_back_days` later: no window takes it then, whatever its days, so that days pulled
one by one and all at once give the same rows.
"""

import datetime as dt
import functools
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

from kith.company.tables import SourceTable
from kith.database import fetch_row, literal, parquet_sql, quote
from kith.deliveries.casts import declared_types, is_time, read_column
from kith.deliveries.raw import LateRows
from kith.pull.connectors.request import Fetched, FetchRequest
from kith.runs.run import Interval


@dataclass(frozen=True)
class Share:
    """The rows of one file that belong to a window; all when `condition` is None.

    Rows before and after it belong to other windows. `late` tells of those taken that
    came late, and of those out of every window that came within the days of this one:
    `out_of_window` in all. `in_past` counts the rows of days that were pulled before,
    where nothing tells when these came to the source. `ahead_of` is set where the file
    holds rows that were not there yet when it was delivered: the first such moment.
    """

    taken: int
    before: int = 0
    after: int = 0
    out_of_window: int = 0
    late: list[LateRows] = field(default_factory=list)
    watermark: dt.datetime | dt.date | None = None
    condition: str | None = None
    in_past: int | None = None
    ahead_of: dt.datetime | dt.date | None = None


def window_of(table: SourceTable, interval: Interval) -> Interval:
    """The business days that a run of some days delivers."""
    if table.rules.cursor is None:
        return interval
    look_back = dt.timedelta(days=table.rules.look_back_days)
    return Interval(interval.from_day - look_back, interval.to_day)


def business_day(instant: dt.datetime, time_zone: str) -> dt.date:
    """Day of a naive UTC instant in a company's time zone."""
    return instant.replace(tzinfo=dt.UTC).astimezone(ZoneInfo(time_zone)).date()


def share(request: FetchRequest, delivery: Fetched, delivered_at: dt.datetime) -> Share:
    """Find the rows of the window; reads nothing but cursor and day of arrival.

    Rows without a legible cursor, or one later than the clock or than the day after the
    file's own, belong to it too: no window would ever take them, so that each shows
    them to admission.
    """
    connection, table, window = request.duckdb, request.table, request.window
    time_zone = request.time_zone
    kinds = declared_types(table)
    name = table.rules.cursor
    read = name and read_column(
        table.column(name), delivery.columns, kinds[name], delivery.has_odd_signs
    )
    if not name or not read:
        # Without its cursor a delivery is for admission to refuse.
        return Share(delivery.rows)
    cursor = read.typed
    today = business_day(delivered_at, time_zone)
    is_date = kinds[name] == "DATE"
    start, end = _bounds(window, is_date, time_zone)
    now = today if is_date else delivered_at
    if delivery.arrival_day:
        # A file may be cut at another midnight than the company's.
        next_day = delivery.arrival_day + dt.timedelta(1)
        beyond = _bounds(Interval(next_day, next_day), is_date, time_zone)[1]
        now = min(now, beyond - beyond.resolution)
    (raw, *others) = table.column(name).names_in(delivery.columns)
    arrived = _arrived_sql(table, kinds, delivery)
    is_plain = cursor == quote(raw)
    # To read a text takes a long expression: once, where days of arrival ask for it
    # many times.
    is_kept = not is_plain and (arrived or delivery.arrival_day)
    moments, kept_as = ("kept_moments", "table") if is_kept else ("moments", "view")
    connection.execute(
        f"""
        create or replace temp {kept_as} {moments} as
        select {cursor} as moment, {arrived or "null"} as arrived, file_row_number
        from {parquet_sql(delivery.path, file_row_number="true")}
        """
    )
    within = f"(moment >= '{start}' and moment < '{end}' and moment <= '{now}')"
    # Where arrivals are told, they tell which rows are too late.
    is_asked = request.past and not arrived and not delivery.arrival_day
    first = _bounds(request.past, is_date, time_zone)[0] if request.past else start
    within_count, before, after, watermark, in_past, ahead = fetch_row(
        connection,
        f"""
        select
            count(*) filter (where {within}),
            count(*) filter (where moment < '{start}'),
            count(*) filter (where moment >= '{end}' and moment <= '{now}'),
            max(moment) filter (where {within}),
            count(*) filter (where moment >= '{first}' and moment < '{start}'),
            count(*) filter (where moment > '{now}')
        from {moments}
        """,
    )
    dateless = delivery.rows - within_count - before - after
    day = _day_sql("moment", kinds[name], time_zone, window)
    arrival = _arrival_sql(
        kinds.get(table.rules.arrived or "") if arrived else None,
        delivery,
        time_zone,
        window,
        today,
    )
    came_later = f"moment <= '{now}' and {arrival} > {day}"
    if delivery.arrival_day and not table.rules.arrived and not is_date:
        # Without asking for the day of each row.
        arrival_day = Interval(delivery.arrival_day, delivery.arrival_day)
        came_later = f"moment < '{arrival_day.bounds_utc(time_zone)[0]}'"
    late: list[LateRows] = []
    hidden = out_of_window = 0
    if arrival:
        grouped = connection.execute(
            f"""
            select {day} as day, {arrival} as arrival_day, count(*)
            from {moments}
            where {came_later}
            group by all
            order by all
            """
        ).fetchall()
        for row_day, row_arrival, count in grouped:
            rows = LateRows(
                day=row_day,
                arrival_day=row_arrival,
                rows=count,
                is_out_of_window=(row_arrival - row_day).days
                > table.rules.look_back_days,
            )
            if not rows.is_out_of_window:
                late += [rows] if _side(row_day, window) == 0 else []
                continue
            # From the side on which its cursor lies to that of its arrival.
            sides = _side(row_day, window), _side(row_arrival, window)
            before += count * ((sides[1] < 0) - (sides[0] < 0))
            after += count * ((sides[1] > 0) - (sides[0] > 0))
            hidden += count * (sides[0] == 0)
            if sides[1] == 0:
                out_of_window += count
                late.append(rows)
    found = Share(
        taken=within_count - hidden + dateless,
        before=before,
        after=after,
        out_of_window=out_of_window,
        late=late,
        watermark=watermark,
        in_past=in_past if is_asked else None,
        ahead_of=beyond if delivery.arrival_day and ahead else None,
    )
    if delivery.rows_in_past is not None:
        found = replace(found, in_past=delivery.rows_in_past)
    if found.taken == delivery.rows:
        return found
    if hidden:
        days_late = f"{arrival} - {day}"
        within += f" and coalesce({days_late} <= {table.rules.look_back_days}, true)"
    if dateless:
        within += f" or moment is null or moment > '{now}'"
    condition = (
        f"file_row_number in (select file_row_number from {moments} where {within})"
    )
    if is_time(delivery.columns[raw]) and not others and not dateless:
        # In the file's own type, so that row groups can be skipped unread.
        margin = dt.timedelta(days=0 if is_plain else 2)
        near = f"{quote(raw)} >= '{start - margin}' and {quote(raw)} < '{end + margin}'"
        condition = near if is_plain and not hidden else f"{near} and {condition}"
    return replace(found, condition=condition)


def _side(day: dt.date, window: Interval) -> int:
    """-1 before a window, 0 in it, 1 after it."""
    return (day > window.to_day) - (day < window.from_day)


def _bounds(days: Interval, is_date: bool, time_zone: str) -> tuple[dt.date, dt.date]:
    """First day or instant, and first one after."""
    if is_date:
        return days.from_day, days.to_day + dt.timedelta(1)
    return days.bounds_utc(time_zone)


def _arrived_sql(
    table: SourceTable, kinds: dict[str, str], delivery: Fetched
) -> str | None:
    """SQL of the column that says when the source got a row, if it came."""
    name = table.rules.arrived
    read = name and read_column(
        table.column(name), delivery.columns, kinds[name], delivery.has_odd_signs
    )
    return read.typed if read else None


def _arrival_sql(
    kind: str | None,
    delivery: Fetched,
    time_zone: str,
    window: Interval,
    today: dt.date,
) -> str | None:
    """SQL of the business day of arrival; NULL where it is unknown or yet to come.

    `kind` is the type of the column `arrived`, None where there is no such column.
    """
    if kind is None:
        day = delivery.arrival_day
        return f"date '{day}'" if day and day <= today else None
    arrival = _day_sql("arrived", kind, time_zone, window)
    if delivery.arrival_day:
        arrival = f"coalesce({arrival}, date '{delivery.arrival_day}')"
    return f"(case when {arrival} <= date '{today}' then {arrival} end)"


@functools.cache
def _day_sql(moment: str, kind: str, time_zone: str, around: Interval) -> str:
    """SQL of the business day of a date or a naive UTC timestamp.

    `at time zone` asks a calendar about each value, which takes longer than all the
    rest. So the offsets of the years around the window are spelt out.
    """
    if kind == "DATE":
        return moment
    zone = ZoneInfo(time_zone)
    year = dt.timedelta(days=366)
    low = dt.datetime.combine(around.from_day - year, dt.time())
    high = dt.datetime.combine(around.to_day + year, dt.time())

    def offset(instant: dt.datetime) -> int:
        local = instant.replace(tzinfo=dt.UTC).astimezone(zone)
        return int((local.utcoffset() or dt.timedelta()).total_seconds())

    def shifted(seconds: int) -> str:
        return f"cast({moment} + to_seconds({seconds}) as date)"

    cases = []
    for number in range((high - low).days):
        midnight = low + dt.timedelta(days=number)
        if offset(midnight) == offset(midnight + dt.timedelta(days=1)):
            continue
        change = next(
            instant
            for minute in range(1, 1441)
            if offset(instant := midnight + dt.timedelta(minutes=minute))
            != offset(midnight)
        )
        cases.append(f"when {moment} < '{change}' then {shifted(offset(midnight))}")
    return (
        f"(case when {moment} < '{low}' or {moment} >= '{high}' then "
        f"cast({moment} at time zone 'UTC' at time zone {literal(time_zone)} as date) "
        f"{' '.join(cases)} else {shifted(offset(high))} end)"
    )
