"""How figures are written on the page. None is written as a dash, never as 0."""

import datetime as dt
from typing import Any

MISSING = "–"


def count(value: int | None) -> str:
    """`2,469`."""
    return MISSING if value is None else f"{value:,}"


def percent(value: float | None) -> str:
    """`54.3%` of a percentage 0–100."""
    return MISSING if value is None else f"{value:,.1f}%"


def score(value: float) -> str:
    """`39.8` or `−5.0`, of a score with its own limits."""
    return f"{value:,.1f}".replace("-", "−")


def cents(value: Any) -> str:
    """`4,596,039.58`, for tables."""
    return MISSING if value is None else f"{value:,.2f}"


def amount(value: Any, largest: Any = None) -> str:
    """`4,596,040`, `35.20` or `12.35 bn`, for headlines and labels.

    `largest` is the greatest of the amounts shown together, which decides on the
    decimals of all; without it, each amount stands alone.
    """
    if value is None:
        return MISSING
    size = abs(value if largest is None else largest)
    for least, divisor, unit in ((1e9, 1e9, "bn"), (1e7, 1e6, "M")):
        if size >= least:
            return f"{float(value) / divisor:,.2f} {unit}"
    return f"{value:,.0f}" if size >= 1000 else f"{value:,.2f}"


def day(value: dt.date) -> str:
    """`31 Dec 2017`."""
    return f"{value.day} {value:%b %Y}"


def month(value: dt.date) -> str:
    """`Dec 2017`."""
    return f"{value:%b %Y}"


def name(value: str) -> str:
    """`half_asleep` → `Half asleep`; a name in the user's own spelling stays."""
    if value != value.lower():
        return value
    return value.replace("_", " ")[:1].upper() + value.replace("_", " ")[1:]
