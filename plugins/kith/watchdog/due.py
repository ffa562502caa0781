"""Which business days should have come by now, and which have not."""

import datetime as dt
import itertools

from kith.company.folder import Company
from kith.company.promise import fresh_until, is_promised
from kith.deliveries.admitted import all_deliveries
from kith.incidents.readers import current_day
from kith.runs.run import Interval, Run, last_complete_day

_DAY = dt.timedelta(days=1)


def due_day(company: Company, now: dt.datetime) -> dt.date | None:
    """The newest day that a fresh release has to cover; None where nothing is promised.

    A company's first days are never due before the promise for them has passed.
    """
    if not is_promised(company, now):
        return None
    day = now.date()
    while day >= company.first_day:
        until = fresh_until(company, day - _DAY)
        if until is not None and until <= now:
            return day
        day -= _DAY
    return None


def missing_days(run: Run, until: dt.date) -> dict[str, list[dt.date]]:
    """By source table the days up to one that no admitted delivery was asked for.

    Days before the first delivery of a table are not missed. Of a table that is
    delivered whole, or never came, only the last day counts. Tables that lack no day
    are left out.
    """
    found: dict[str, list[dt.date]] = {}
    for table in run.company.sources:
        taken = [each.interval for each in all_deliveries(run, table)]
        newest = max((days.to_day for days in taken), default=None)
        if newest is None or not table.rules.cursor:
            missing = [until] if newest is None or newest < until else []
        else:
            first = min(days.from_day for days in taken)
            come = {day for days in taken for day in _days(days.from_day, days.to_day)}
            missing = [day for day in _days(first, until) if day not in come]
        if missing:
            found[table.full_name] = missing
    return found


def in_words(days: list[dt.date]) -> str:
    """Days by name, those in a row as `2024-03-05 to 2024-03-07`."""
    runs: list[list[dt.date]] = []
    for day in days:
        if runs and day - runs[-1][-1] == _DAY:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ", ".join(
        f"{run[0]} to {run[-1]}" if run[1:] else f"{run[0]}" for run in runs
    )


def days_to_catch_up(run: Run) -> Interval | None:
    """From the first day that is missing, or not yet published, up to yesterday.

    In the company's time zone, and up to its last day; None where nothing is missing.
    """
    company = run.company
    until = last_complete_day(company)
    if company.last_day:
        until = min(until, company.last_day)
    first = [min(days) for days in missing_days(run, until).values()]
    _, published = current_day(run.published)
    first.append(published + _DAY if published else company.first_day)
    from_day = max(min(first), company.first_day)
    return Interval(from_day, until) if from_day <= until else None


def _days(first: dt.date, last: dt.date) -> list[dt.date]:
    steps = itertools.count()
    every = (first + step * _DAY for step in steps)
    return list(itertools.takewhile(lambda day: day <= last, every))
