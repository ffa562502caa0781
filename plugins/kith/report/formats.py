"""Templates of texts, and how figures and names are written in them."""

import datetime as dt
import string
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from kith.report.language import spoken, term, translated

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
    """`4,596,040`, `35.20` or `12.35 bn` (`12.35亿`), for headlines and labels.

    `largest` is the greatest of the amounts that are shown together. It decides on the
    decimals of all.
    """
    size = abs(float(largest or value))
    for least, divisor, unit in spoken().units:
        if size >= least:
            return f"{float(value) / divisor:,.2f}{unit}"
    return f"{value:,.0f}" if size >= 1000 else f"{value:,.2f}"


def name(value: str) -> str:
    """`half_asleep` → `Half asleep`; a name in the user's own spelling stays."""
    words = term(value)
    if words != value or value != value.lower():
        return words
    words = value.replace("_", " ")
    return words[:1].upper() + words[1:]


def behind(value: str) -> str:
    """`: relationship` behind a title, in the language's own signs."""
    return value.replace(": ", translated(": "), 1)


_OWN: dict[str, Callable[..., str]] = {
    own.__name__: own for own in (percent, times, amount, name, term, behind)
}


class _Formatter(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        if value is None:
            return MISSING
        if format_spec.startswith("|"):
            _, of_one, of_many = format_spec.split("|")
            return of_one if value == 1 else of_many
        own, _, largest = format_spec.partition(" ")
        if own in _OWN:
            written = _OWN[own](value, *filter(None, [largest]))
        elif isinstance(value, dt.date):
            written = format(value, translated(format_spec))
        else:
            written = format(value, format_spec)
        return written.replace("-", "−") if isinstance(value, Number) else written


def fill(template: str, values: Mapping[str, Any]) -> str:
    """Return a template with its values, in the language of the page.

    `{n:,}` and `{month:%b %Y}` are formats of Python, `{share_pct:percent}` is one of
    this module, and `{n:|customer|customers}` gives the word that goes with the number.
    None is written as a dash, never as 0.
    """
    return _Formatter().vformat(translated(template), (), values)


def sentences(values: Mapping[str, Any], *templates: str) -> str:
    """Return those of the templates that are not empty, filled, as one text."""
    return translated(" ").join(fill(each, values) for each in templates if each)


def enumerated(parts: Iterable[str]) -> str:
    """Return texts one after the other, between them commas."""
    return translated(", ").join(parts)
