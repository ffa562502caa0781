"""What names mean: the words of vocabulary.yml, and names taken apart into words."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_TEXT = Path(__file__).with_name("vocabulary.yml").read_text(encoding="utf-8")
_VOCABULARY: dict[str, Any] = yaml.load(_TEXT, Loader=yaml.CSafeLoader)


def phrases(text: str) -> list[str]:
    """The comma-separated phrases of an entry."""
    return text.split(", ") if text else []


WORDS = {kind: set(phrases(text)) for kind, text in _VOCABULARY["words"].items()}
PII = {kind: set(phrases(text)) for kind, text in _VOCABULARY["pii"].items()}
FEEDS: dict[str, dict[str, Any]] = _VOCABULARY["feeds"]
COLUMNS: dict[str, str] = _VOCABULARY["columns"]
NEVER = {column: set(phrases(text)) for column, text in _VOCABULARY["never"].items()}
_CURSOR_WORDS = [
    word
    for kind in ("cursor", "change")
    for word in phrases(_VOCABULARY["words"][kind])
]
_COMPOUND = re.compile(f"({'|'.join(WORDS['noun'])})({'|'.join(WORDS['suffix'])})")


@cache
def words_of(name: str) -> tuple[str, ...]:
    """The words of a name; those of `CustomerID` and of `customerid` are the same."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    spaced = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1 \2", spaced)
    words: list[str] = []
    for word in re.findall(r"[^\W_]+", spaced.lower()):
        compound = _COMPOUND.fullmatch(word)
        words += compound.groups() if compound else [word]
    return tuple(words) or (name.lower(),)


def singular(word: str) -> str:
    """An English noun without its plural s."""
    return re.sub(r"(?<=[a-z]{2})(?<!s)s$", "", word)


def title_words(name: str) -> set[str]:
    """The words of a table's name, in the singular."""
    return {singular(word) for word in words_of(name)}


def cursor_rank(words: tuple[str, ...]) -> int:
    """How surely a time of these words says to which day a row belongs."""
    return max(
        (_CURSOR_WORDS.index(w) for w in words if w in _CURSOR_WORDS), default=-1
    )


@cache
def column_phrases(feed_column: str) -> list[list[str]]:
    """The names of a feed's column as words, its own first, then the surest."""
    others = phrases(COLUMNS.get(feed_column, ""))
    return [
        canonical(name.split()) for name in [feed_column.replace("_", " "), *others]
    ]


def canonical(words: list[str] | tuple[str, ...]) -> list[str]:
    """`order no`, `order number` and `order code` are all an `order id`."""
    return ["id" if word in WORDS["number"] else word for word in words]
