"""Business days: on which day of a company's time zone a moment lies."""

import datetime as dt
import functools
from zoneinfo import ZoneInfo

from kith.company.tables import SourceTable
from kith.database import literal, quote
from kith.runs.run import Interval


def business_day(instant: dt.datetime, time_zone: str) -> dt.date:
    """Day of a naive UTC instant in a company's time zone."""
    return instant.replace(tzinfo=dt.UTC).astimezone(ZoneInfo(time_zone)).date()


def has_date_cursor(table: SourceTable) -> bool:
    """Whether the cursor of a table tells a day, and no time of it."""
    cursor = table.rules.cursor
    return cursor is not None and table.column(cursor).data_type.lower() == "date"


def row_day_sql(
    table: SourceTable, time_zone: str, around: Interval, cursor: str | None = None
) -> str:
    """SQL of the business day of an admitted row; NULL in a snapshot.

    `cursor` is SQL of its cursor where that is not the column of this name.
    """
    if table.rules.cursor is None:
        return "cast(null as date)"
    moment = cursor or quote(table.rules.cursor)
    kind = "DATE" if has_date_cursor(table) else "TIMESTAMP"
    return day_sql(moment, kind, time_zone, around)


@functools.cache
def day_sql(moment: str, kind: str, time_zone: str, around: Interval) -> str:
    """SQL of the business day of a date or a naive UTC timestamp.

    `at time zone` asks a calendar about each value, at ten times the price. So the
    offsets of the years around some days are written out, where most moments lie.
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
