"""A file that was found at the `path` of a table, on disk or in a store."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Listed:
    """A file that matches a pattern.

    Attributes:
        name: Its path as the pattern writes it, by which people know it.
        bring: Makes sure that it lies on this machine; returns where.
        arrival_day: Day of delivery that its name tells, if any.
    """

    name: str
    bring: Callable[[], Path]
    arrival_day: dt.date | None = None
