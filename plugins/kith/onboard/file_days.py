"""The days that names of files tell."""

import calendar
import datetime as dt
import re

from kith.onboard.staging import sql_name
from kith.onboard.tables import TableGuess

_UNKNOWN = dt.date(2000, 1, 1)


def day_in(name: str) -> dt.date | None:
    """The last day of the year, month or day that a file's name tells."""
    found = re.search(
        r"(?<!\d)((?:19|20)\d\d)(?:[-_.]?(\d\d)(?:[-_.]?(\d\d))?)?(?!\d)", name
    )
    if not found:
        return None
    year, month, day = (int(part or 0) for part in found.groups())
    try:
        last = calendar.monthrange(year, month or 12)[1]
        return dt.date(year, month or 12, day or last)
    except ValueError:
        return None


def days_by_file(table: TableGuess) -> list[str]:
    """SQL of the day that the name of a row's file tells.

    Files are known by a column that all of their rows have and no other file's; at most
    one file may lack such a column: it is the rest. Else it is one day for all.
    """
    delivery = table.delivery
    rows = dict(table.typed.aggregate("_kith_file, count(*)", "_kith_file").fetchall())
    cases, rest = [], []
    for path in delivery.files:
        day = day_in(path.name)
        marks = [
            sql_name(column.name)
            for column in table.columns
            if delivery.missing.get(column.name) == set(rows) - {path.name}
            and column.given == rows[path.name]
            and "null_values" not in column.rules
        ]
        if marks and day:
            cases.append(f"    when {marks[0]} is not null then cast('{day}' as date)")
        else:
            rest.append(day)
    if cases and len(rest) < 2 and None not in rest:
        return [
            "case",
            *cases,
            *(f"    else cast('{day}' as date)" for day in rest),
            "end",
        ]
    known = filter(None, (day_in(path.name) for path in delivery.files))
    return [f"cast('{max(known, default=_UNKNOWN)}' as date)"]
