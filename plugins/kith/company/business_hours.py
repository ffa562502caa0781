"""When a company is open, as `business_hours` in company.yml says."""

import datetime as dt
import re
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from kith.company.tables import Strict

WEEKDAYS = (
    *("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
)
_SHIFT = re.compile(r"([0-2]\d):([0-5]\d)-([0-2]\d):([0-5]\d)")


def shifts_of(text: str) -> list[tuple[int, int]]:
    """The minutes of the day from and to which `09:00-12:30, 13:00-18:00` is open.

    Raises ValueError where it says no such times, or they overlap.
    """
    shifts = []
    for part in text.split(","):
        found = _SHIFT.fullmatch(part.strip())
        if not found:
            raise ValueError(
                "expected times from and to on 24 hours, such as "
                "'09:00-12:30, 13:00-18:00'"
            )
        hours = list(map(int, found.groups()))
        shifts.append((60 * hours[0] + hours[1], 60 * hours[2] + hours[3]))
    bounds = [minute for shift in shifts for minute in shift]
    if bounds[-1] > 24 * 60 or any(
        second <= first for first, second in zip(bounds[::2], bounds[1::2], strict=True)
    ):
        raise ValueError("expected each time to lie after its from, until 24:00")
    if bounds != sorted(bounds):
        raise ValueError("expected the times in their order, without overlaps")
    return shifts


def _checked(text: str) -> str:
    shifts_of(text)
    return text


Shifts = Annotated[str, AfterValidator(_checked)]


class BusinessHours(Strict):
    """Times by the company's clocks at which it is open; closed on days left out."""

    monday: Shifts | None = None
    tuesday: Shifts | None = None
    wednesday: Shifts | None = None
    thursday: Shifts | None = None
    friday: Shifts | None = None
    saturday: Shifts | None = None
    sunday: Shifts | None = None
    holidays: list[dt.date] = Field(default_factory=list)

    @model_validator(mode="after")
    def _is_open_on_a_day(self) -> Self:
        if not any(getattr(self, day) for day in WEEKDAYS):
            raise ValueError(
                "expected the times of one weekday at least, such as monday: "
                "'09:00-18:00'; leave business_hours out where none are known"
            )
        return self

    def values(self) -> dict[str, Any]:
        """For dbt: the shifts as weekday (0 is Monday), from and to, and the days."""
        shifts = [
            [number, *shift]
            for number, day in enumerate(WEEKDAYS)
            if (text := getattr(self, day))
            for shift in shifts_of(text)
        ]
        return {"shifts": shifts, "holidays": [str(day) for day in self.holidays]}
