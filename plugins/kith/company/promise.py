"""Until when a release is fresh: what readers are promised."""

import datetime as dt
from zoneinfo import ZoneInfo

from kith.company.folder import Company

# What a run may take, where company.yml says nothing: the time limit of its long tasks.
_RUN = dt.timedelta(hours=4)
_DAY = dt.timedelta(days=1)


def fresh_until(company: Company, as_of: dt.date) -> dt.datetime | None:
    """When a release whose data reach to this day is fresh no longer, in UTC.

    None where it stays so, since a company has no days after this one. Until a schedule
    comes by that takes a further day, and four hours, there can be no newer release.
    """
    if company.last_day and as_of >= company.last_day:
        return None
    zone = ZoneInfo(company.time_zone)
    end = _midnight(as_of + _DAY, zone)
    if company.fresh_within_hours is not None:
        return end + dt.timedelta(hours=company.fresh_within_hours)
    # Here: each parse of a DAG file loads a company.
    from croniter import croniter

    first_later_day_is_over = _midnight(as_of + 2 * _DAY, zone)
    just_before = first_later_day_is_over.astimezone(zone) - dt.timedelta(seconds=1)
    taken = croniter(company.schedule, just_before).get_next(dt.datetime)
    return taken.astimezone(dt.UTC) + _RUN


def time_allowed(company: Company) -> dt.timedelta:
    """How long after a day's end, or its schedule, a run may take to keep the promise.

    A run that has waited and worked for so long has broken it.
    """
    hours = company.fresh_within_hours
    return _RUN if hours is None else dt.timedelta(hours=hours)


def is_promised(company: Company, now: dt.datetime) -> bool:
    """Whether fresh releases are promised: not of a company whose days have ended."""
    today = now.astimezone(ZoneInfo(company.time_zone)).date()
    return company.last_day is None or company.last_day >= today


def _midnight(day: dt.date, zone: ZoneInfo) -> dt.datetime:
    """The first instant of a day by the company's clocks, in UTC."""
    return dt.datetime.combine(day, dt.time(), zone).astimezone(dt.UTC)
