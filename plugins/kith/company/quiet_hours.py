"""The time of the day in which nobody is contacted, as `quiet_hours` says."""

import re
from typing import Annotated

from pydantic import AfterValidator

_SHIFT = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
BAND_HOURS = 3


def _checked(text: str) -> str:
    if not _SHIFT.fullmatch(text):
        raise ValueError("expected a time from and to, such as '21:00-08:00'")
    return text


Shift = Annotated[str, AfterValidator(_checked)]


def bands_beside(text: str | None) -> list[int]:
    """The hours at which three hours in a row begin of which no minute is quiet."""
    hours, minutes = range(24), range(0)
    if text:
        first, first_minute, last, last_minute = map(int, re.split("[:-]", text))
        start, end = 60 * first + first_minute, 60 * last + last_minute
        minutes = range(start, end if end > start else end + 24 * 60)
    quiet = {minute % (24 * 60) // 60 for minute in minutes}
    return [
        hour
        for hour in hours[: 1 - BAND_HOURS]
        if not quiet.intersection(range(hour, hour + BAND_HOURS))
    ]
