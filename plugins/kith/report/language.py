"""The language of a page: English texts are the keys, a file per language translates.

Which language is spoken is known everywhere while a page is made (`speaking`), so that
whoever writes a text writes it in English. Texts are looked up whole, as templates,
before their values are filled in; a text that has no translation stays as it is.
"""

import functools
import itertools
import re
from collections import ChainMap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

_FOLDER = Path(__file__).parent / "languages"
_NUMBER = re.compile(r"(?<!\w)[+\-−]?\d+(?:[.,]\d+)*")


@dataclass(frozen=True)
class Language:
    """What differs between languages; without a file, English.

    `texts` are templates and formats of dates. `values` are values of the marts that
    Kith itself defines, such as `half_asleep`; of a list of them, each counts. Numbers
    in them are written `{0}`, `{1}` … in their order. `entries` are texts that mean
    something else in one entry, by its name. `units` are the least amount that is
    written in a unit, its size and its sign; `month_size` is the size of many months
    along an axis; `styles` are further rules of CSS.
    """

    tag: str = "en"
    fonts: str = ""
    styles: str = ""
    units: tuple[tuple[float, float, str], ...] = ((1e9, 1e9, " bn"), (1e7, 1e6, " M"))
    month_size: int = 11
    # SI's G would be read as anything but a billion.
    axis_label: str = (
        "datum.value < 1000 ? format(datum.value, ',~f') "
        ": replace(format(datum.value, '~s'), 'G', 'bn')"
    )
    time_locale: Mapping[str, Any] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    entries: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


_ENGLISH = Language()
_spoken: ContextVar[Language] = ContextVar("spoken", default=_ENGLISH)


@functools.cache
def language_of(code: str) -> Language:
    """The language `en`, or one that has a file."""
    if code == "en":
        return _ENGLISH
    path = _FOLDER / f"{code}.yml"
    # libyaml's loader: Python's own takes ten times as long.
    return Language(**yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader))


@contextmanager
def speaking(language: Language) -> Iterator[None]:
    """Write all texts in a language."""
    token = _spoken.set(language)
    try:
        yield
    finally:
        _spoken.reset(token)


@contextmanager
def about(entry: str) -> Iterator[None]:
    """Prefer what texts mean in an entry."""
    language = _spoken.get()
    texts = ChainMap(dict(language.entries.get(entry, {})), dict(language.texts))
    with speaking(replace(language, texts=texts)):
        yield


def spoken() -> Language:
    """The language in which texts are written now."""
    return _spoken.get()


def translated(text: str) -> str:
    """A text or template, in the language that is spoken."""
    return _spoken.get().texts.get(text, text)


def term(value: str) -> str:
    """A value that Kith defines, in the language that is spoken; else as it is."""
    values = _spoken.get().values
    if not values or value in values:
        return values.get(value, value)
    numbers = itertools.count()
    pattern = _NUMBER.sub(lambda _: f"{{{next(numbers)}}}", value)
    if pattern in values:
        return values[pattern].format(*_NUMBER.findall(value))
    parts = value.split(", ")
    if values.keys().isdisjoint(parts):
        return value
    return translated(", ").join(values.get(part, part) for part in parts)
