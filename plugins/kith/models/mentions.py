"""Of whom posts speak, and how: table to table.

A post names a competitor or a brand where their name stands in its text as a word of
its own, in whatever case. Chinese and Japanese are written without blanks: names in
them are looked for as they are.
"""

import re
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from kith.models.sentiments import (
    NEGATIVE,
    NEUTRAL,
    POSITIVE,
    UNKNOWN,
    Judged,
    judge,
)

MENTIONED_FROM = ("source", "post_id", "text", "sentiment", "is_about_us")
US, NOBODY = "us", "nobody"
# Scripts from here on are written without blanks, or with what is joined to a word.
_WITHOUT_BLANKS = "\u2e80"
_MENTIONS = pa.schema(
    {
        "source": pa.string(),
        "post_id": pa.string(),
        "subject_kind": pa.string(),
        "subject": pa.string(),
        "sentiment": pa.string(),
        "language": pa.string(),
        "method": pa.string(),
    }
)


def find_mentions(posts: Iterable[pa.Table], names: pa.Table) -> pa.Table:
    """One row per post and subject of which it speaks; `nobody` where it names none.

    `posts` come in parts with the columns MENTIONED_FROM, `names` has `subject_kind`
    and `name`, the earlier one counting where two are alike. Texts are not in the rows.
    """
    known = {
        row["name"].strip().casefold(): (row["subject_kind"], row["name"].strip())
        for row in reversed(names.to_pylist())
    }
    named = _pattern(known)
    parts = [_MENTIONS.empty_table()]
    for part in posts:
        rows = part.to_pylist()
        moods = _moods(rows)
        parts.append(
            pa.Table.from_pylist(
                [
                    {
                        "source": row["source"],
                        "post_id": row["post_id"],
                        "subject_kind": kind,
                        "subject": subject,
                        "sentiment": mood.sentiment,
                        "language": mood.language,
                        "method": mood.method,
                    }
                    for row, mood in zip(rows, moods, strict=True)
                    for kind, subject in _subjects(row, named, known)
                ],
                _MENTIONS,
            )
        )
    return pa.concat_tables(parts)


def _pattern(names: Iterable[str]) -> re.Pattern[str] | None:
    """Matches any of the names; of one that begins with another one the longer."""
    words = [
        f"{_edge(name[0])}{re.escape(name)}{_edge(name[-1])}"
        for name in sorted(names, key=lambda name: (-len(name), name))
        if name
    ]
    return re.compile("|".join(words)) if words else None


def _edge(sign: str) -> str:
    return r"\b" if sign.isalnum() and sign < _WITHOUT_BLANKS else ""


def _subjects(
    row: dict[str, Any],
    named: re.Pattern[str] | None,
    known: dict[str, tuple[str, str]],
) -> list[tuple[str, str]]:
    text = (row["text"] or "").casefold()
    found = sorted({known[each] for each in named.findall(text)}) if named else []
    if row["is_about_us"]:
        found.insert(0, (US, US))
    return found or [(NOBODY, NOBODY)]


def _moods(rows: list[dict[str, Any]]) -> list[Judged]:
    """As the source says it; what it leaves out, by the text."""
    found = [_delivered(row["sentiment"]) for row in rows]
    silent = [
        place
        for place, row in enumerate(rows)
        if row["sentiment"] is None and (row["text"] or "").strip()
    ]
    judged = judge([rows[place]["text"] for place in silent])
    for place, mood in zip(silent, judged, strict=True):
        found[place] = mood
    return found


def _delivered(sentiment: float | None) -> Judged:
    if sentiment is None:
        return Judged(None, UNKNOWN, "none: no text")
    if sentiment == 0:
        return Judged(None, NEUTRAL, "delivered")
    return Judged(None, POSITIVE if sentiment > 0 else NEGATIVE, "delivered")
