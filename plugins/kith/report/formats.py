"""Templates of texts, and how figures and names are written in them."""

import string
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

MISSING = "–"
Number = int | float | Decimal


def percent(value: Number) -> str:
    """`54.3%` of a percentage 0–100."""
    return f"{value:,.1f}%"


def change_pct(now: Any, before: Any) -> float:
    """By how much more, in per cent with one decimal."""
    return round(float(100 * (now - before) / before), 1)


def times(value: Number) -> str:
    """`1.57×`."""
    return f"{value:,.2f}×"


def amount(value: Number, largest: str = "") -> str:
    """`4,596,040`, `35.20` or `12.35 bn`, for headlines and labels.

    `largest` is the greatest of the amounts that are shown together. It decides on the
    decimals of all.
    """
    size = abs(float(largest or value))
    for least, divisor, unit in ((1e9, 1e9, "bn"), (1e7, 1e6, "M")):
        if size >= least:
            return f"{float(value) / divisor:,.2f} {unit}"
    return f"{value:,.0f}" if size >= 1000 else f"{value:,.2f}"


def name(value: str) -> str:
    """`half_asleep` → `Half asleep`; a name in the user's own spelling stays."""
    words = value.replace("_", " ")
    return value if value != value.lower() else words[:1].upper() + words[1:]


_OWN: dict[str, Callable[..., str]] = {
    own.__name__: own for own in (percent, times, amount, name)
}


class _Formatter(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        if value is None:
            return MISSING
        own, _, largest = format_spec.partition(" ")
        if own in _OWN:
            written = _OWN[own](value, *filter(None, [largest]))
        else:
            written = format(value, format_spec)
        return written.replace("-", "−") if isinstance(value, Number) else written


def fill(template: str, values: Mapping[str, Any]) -> str:
    """Return a template with its values.

    `{n:,}` and `{month:%b %Y}` are formats of Python, `{share_pct:percent}` is one of
    this module. None is written as a dash, never as 0.
    """
    return _Formatter().vformat(template, (), values)
