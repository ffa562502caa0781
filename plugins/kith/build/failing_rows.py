"""Failing rows in the one line of an error: their keys, no more about a person."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from kith.errors import one_line
from kith.incidents.texts import without_contacts

SHOWN_ROWS = 3
_SHOWN_CHARACTERS = 60
_HASH = re.compile(r"([0-9a-f]{8})[0-9a-f]{24,}")


def in_words(rows: Iterable[Mapping[str, Any]]) -> str:
    """The first rows as `source till, order_id 1001; …`; hashes are cut short."""
    texts = [
        ", ".join(f"{name} {shown(value)}" for name, value in row.items())
        for row in rows
    ]
    return "; ".join(texts[:SHOWN_ROWS]) + ("; …" if texts[SHOWN_ROWS:] else "")


def without_persons(text: str) -> str:
    """A text without addresses and telephone numbers, its hashes cut short."""
    return without_contacts(_HASH.sub(r"\1…", text))


def shown(value: Any) -> str:
    """A value in the line of an error, with as many digits as people read."""
    if value is None:
        return "NULL"
    if isinstance(value, float):
        value = round(value, 4) or value
    text = without_persons(one_line(str(value)))
    cut = len(text) > _SHOWN_CHARACTERS
    return f"{text[:_SHOWN_CHARACTERS]}…" if cut else text or "''"
