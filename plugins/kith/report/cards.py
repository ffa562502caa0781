"""What the page's template shows of an entry and the rows of its query."""

import datetime as dt
from decimal import Decimal
from typing import Any

from kith.report import marks
from kith.report.entries import FEWEST, Entry, Grid, Groups, Row, Series, Tile, Words
from kith.report.formats import MISSING, change_pct, fill
from kith.report.language import about, translated

_MONTHS_SHOWN = 36
_DARK_PCT = 25  # Below it nothing is darkest: 1% must not look like much.
_ALARM, _WHOLE = "color:#b23a26;font-weight:600", "background:#eceff2"


def said(words: Words, rows: list[Row]) -> str:
    """The text of words about rows, of which there is at least one."""
    return words(rows) if callable(words) else fill(words, rows[0])


def tile_of(tile: Tile, rows: list[Row]) -> Row:
    """The texts of a key figure; without a value `missing` says so."""
    row = rows[0] if rows else {}
    value = fill(tile.value, row) if rows else MISSING
    if value == MISSING:
        reason = fill(tile.unknown, row) if rows else MISSING
        missing = reason if reason != MISSING else fill("No data yet", {})
        return {"label": translated(tile.label), "missing": missing}
    return {
        "label": translated(tile.label) + fill(tile.of, row),
        "missing": "",
        "value": value,
        "unit": fill(tile.unit, row),
        "note": said(tile.note, rows),
        "changes": [
            _change(row["now"], row[before], words)
            for before, words in tile.changes.items()
            if row[before] is not None and row[before] > 0
        ],
    }


def _change(now: Any, before: Any, words: str) -> tuple[str, str]:
    rounded = change_pct(now, before)
    facts = {"pct": rounded, "words": translated(words)}
    if rounded == 0:
        return "none", fill("no change {words}", facts)
    if rounded > 0:
        return "up", fill("▲ {pct:+,.1f}% {words}", facts)
    return "down", fill("▼ {pct:+,.1f}% {words}", facts)


def card_of(entry: Entry, rows: list[Row], facts: Row) -> Row | None:
    """The texts, table and chart of an entry; None where it is left out."""
    with about(entry.name):
        return _card_of(entry, rows, facts)


def _card_of(entry: Entry, rows: list[Row], facts: Row) -> Row | None:
    card: Row = {"name": entry.name, "lines": None, "months": [], "footnote": ""}
    if not rows and entry.absent:
        title, absent = fill(entry.title, facts), fill(entry.absent, facts)
        return card | {"title": title, "note": absent}
    if not rows or not entry.columns:
        return None
    notes = []
    if entry.groups:
        rows, is_merged = _without_small(entry.groups, rows)
        if is_merged:
            merged = fill(
                "Groups of fewer than {fewest} customers are merged, if need be with "
                "the next larger one.",
                {"fewest": FEWEST},
            )
            notes.append(merged)
    if "month" in rows[0]:
        months = _every_month(rows)
        rows = months[-_MONTHS_SHOWN:]
        if len(rows) < len(months):
            counts = {"shown": len(rows), "all": len(months)}
            notes.append(fill("The last {shown} of {all} months.", counts))
    texts = [[_cell(cell, row) for cell in entry.columns.values()] for row in rows]
    # The first month is not whole where the data begin within it.
    ends = (0, len(rows) - 1) if "month" in rows[0] else (len(rows) - 1,)
    for place in dict.fromkeys(ends):
        if rows[place].get("is_complete") is False:
            notes.append(
                fill("{month} is not whole: hollow.", {"month": texts[place][0]})
            )
            texts[place][0] += fill(" (not whole)", {})
    card["title"] = fill(entry.title, rows[0])
    card["caption"] = translated(entry.caption) or card["title"]
    card["note"] = translated(" ").join([said(entry.note, rows), *notes])
    card["footnote"] = said(entry.footnote, rows)
    card["headings"] = [fill(heading, rows[0]) for heading in entry.columns]
    card["style"], card["is_folded"] = entry.style, entry.is_folded
    if isinstance(entry, Grid):
        return card | _grid(card["headings"], rows, texts)
    alarms = [heading in entry.alarms for heading in entry.columns]
    listed = [row for row in rows if row.get("is_listed", True)]
    card["months"] = [row["month"].isoformat() for row in listed if "month" in row]
    card["lines"] = [
        [
            (text, _ALARM if alarm and text != "0" else "")
            for text, alarm in zip(line, alarms, strict=True)
        ]
        for line, row in zip(texts, rows, strict=True)
        if row.get("is_listed", True)
    ]
    if entry.marks:
        values = [
            {name: _plain(value) for name, value in row.items() if name not in facts}
            | {f"cell_{at}": text for at, text in enumerate(line)}
            | {"label": marks.wrapped(line[0]), "text": _cell(entry.text, row)}
            | {"place": place}
            for place, (row, line) in enumerate(zip(rows, texts, strict=True))
        ][: entry.drawn]
        spec = marks.specification(entry.marks, card["headings"], values, entry.series)
        if spec is None:
            return card
        card["spec"] = spec
        card["legend"] = _legend(entry.series, rows) if len(entry.series) > 1 else []
    return card


def _legend(series: Series, rows: list[Row]) -> list[tuple[str, str]]:
    """Label and colour of each of the series that has something to show."""
    return [
        (translated(label), color)
        for name, (label, color) in series.items()
        if any(row[name] if name in row else name in row.values() for row in rows)
    ]


def _without_small(groups: Groups, rows: list[Row]) -> tuple[list[Row], bool]:
    """The rows, small groups merged into one row behind the others, and whether so."""
    shown: list[Row] = []
    for within in dict.fromkeys(row.get(groups.within) for row in rows):
        part = [row for row in rows if row.get(groups.within) == within]
        small: list[Row] = []
        for row in sorted(part, key=lambda row: row[groups.count] or 0):
            # Beside one small group alone, the total would tell what that has.
            together = sum(each[groups.count] for each in small)
            if 0 < (row[groups.count] or 0) < FEWEST or 0 < together < FEWEST:
                small.append(row)
        shown += [row for row in part if row not in small]
        shown += [_merged(groups, small)] if small else []
    return shown, shown != rows


def _merged(groups: Groups, rows: list[Row]) -> Row:
    # What all have in common stays.
    merged = {
        column: value if all(row[column] == value for row in rows) else None
        for column, value in rows[0].items()
    }
    count = merged[groups.count] = sum(row[groups.count] for row in rows)
    for column in groups.sums:
        known = [row[column] for row in rows if row[column] is not None]
        merged[column] = sum(known) if known and count >= FEWEST else None
    if len(rows) > 1:
        merged[groups.label] = "several_together"
    return merged


def _cell(cell: Any, row: Row) -> str:
    return cell(row) if callable(cell) else fill(cell, row)


def _every_month(rows: list[Row]) -> list[Row]:
    """The rows, and one for each month between without any: 0 for what is counted."""
    empty = {
        column: 0 if type(value) is int else value
        for column, value in rows[0].items()
        if not isinstance(value, float | Decimal)
    }
    empty = dict.fromkeys(rows[0]) | empty | {"is_complete": True}
    by_month = {row["month"]: row for row in rows}
    month, filled = rows[0]["month"], []
    while month <= rows[-1]["month"]:
        filled.append(by_month.get(month, empty | {"month": month}))
        month = (month + dt.timedelta(days=31)).replace(day=1)
    return filled


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, dt.date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value


def _grid(headings: list[str], rows: list[Row], texts: list[list[str]]) -> Row:
    """The table of a grid, with a cell per step, blank where it is not known."""
    steps = 1 + max(row["step"] for row in rows)
    # A line's base is 100% by definition: the shades spread over all other cells.
    bases: dict[tuple[str, ...], int] = {}
    for row, line in zip(rows, texts, strict=True):
        if row["pct"] is not None:
            bases.setdefault(tuple(line), row["step"])
    is_whole = [
        row["pct"] == 100 and row["step"] == bases[tuple(line)]
        for row, line in zip(rows, texts, strict=True)
    ]
    shares = [
        row["pct"] or 0 for row, whole in zip(rows, is_whole, strict=True) if not whole
    ]
    highest = max(shares, default=0)
    darkest = max(round(highest), _DARK_PCT)
    lines: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for row, line, whole in zip(rows, texts, is_whole, strict=True):
        blank = (
            [(text, "") for text in line] + [("", _WHOLE)] + [("", "")] * (steps - 1)
        )
        cells = lines.setdefault(tuple(line), blank)
        if row["pct"] is not None:
            # Rounded like the text: what reads alike looks alike.
            style = _WHOLE if whole else _shade(round(row["pct"]) / darkest)
            cells[len(line) + row["step"]] = f"{row['pct']:.0f}%", style
    is_dense, is_summed = steps > 16, rows[-1]["is_total"]
    return {
        "headings": [*headings, *map(str, range(steps))],
        "lines": list(lines.values()),
        "style": "grid" + is_dense * " dense" + is_summed * " summed",
    }


def _shade(share: float) -> str:
    """Background and text colour of a cell; `share` is 0–1."""
    # Where black and white are read equally well on the colour (4.5 : 1).
    ink = "#fff" if share > 0.75 else "#000"
    return f"background:rgba(22,78,128,{share:.2f});color:{ink}"
