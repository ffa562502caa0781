"""`make company`: a company folder from the files that a stranger has.

Everything is a guess that all rows allow; what they allow besides is written beside
it as `DOUBT`. The same files give the same folder.
"""

import datetime as dt
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kith.company import (
    RESERVED_FOLDERS,
    RESERVED_SCHEMAS,
    load_company,
)
from kith.database import connect
from kith.errors import ConfigurationError
from kith.scaffold.deliveries import read_folder
from kith.scaffold.mapping import FLOWS, Mapping, likely_feed, map_feeds
from kith.scaffold.profiles import (
    ColumnGuess,
    TableGuess,
    guess_cursor,
    guess_dated_path,
    guess_references,
    possible_cursors,
    profile,
)
from kith.scaffold.writing import doubts_in, write_folder


@dataclass(frozen=True)
class Scaffolded:
    """A company folder that was written, and what is doubtful of it."""

    folder: Path
    tables: list[TableGuess]
    mapping: Mapping
    left_out: list[str]
    doubts: list[str]


def scaffold(name: str, files: Path, folder: Path) -> Scaffolded:
    """Write the company folder `folder` after the files below `files`.

    Raises ConfigurationError when the name cannot be a company's, the folder exists
    already, or no file could be read.
    """
    _check(name, files, folder)
    source = f"{name}_files" if name in RESERVED_SCHEMAS else name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kith_company_") as scratch:
        workspace = Path(scratch)
        with connect(scratch=workspace / "duckdb") as connection:
            found = read_folder(connection, files, workspace)
            if not found.deliveries:
                reasons = "; ".join(found.left_out) or "there are none"
                raise ConfigurationError(
                    f"FILES={files}: no file can be read as a table: {reasons}"
                )
            tables = [profile(connection, each) for each in found.deliveries]
            guess_references(connection, tables, source)
            for table in tables:
                guess_cursor(table, likely_feed(table) in FLOWS)
                guess_dated_path(connection, table)
            mapping = map_feeds(connection, tables, source)
        built = workspace / "company"
        write_folder(built, source, files, tables, mapping, _meaning(name, tables))
        load_company(built)
        shutil.copytree(built, folder)
    return Scaffolded(folder, tables, mapping, found.left_out, doubts_in(folder))


def _check(name: str, files: Path, folder: Path) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name in RESERVED_FOLDERS:
        raise ConfigurationError(
            f"NAME={name}: expected lower-case letters, digits and underscores, such "
            f"as corner_shop, and none of {', '.join(sorted(RESERVED_FOLDERS))}"
        )
    if folder.exists():
        raise ConfigurationError(
            f"{folder}: exists already and is not overwritten; choose another NAME or "
            "remove it"
        )
    if not files.is_dir():
        raise ConfigurationError(f"FILES={files}: no such folder")


def _meaning(name: str, tables: list[TableGuess]) -> dict[str, Any]:
    """What company.yml says, with its doubts."""
    days, why = _days(tables)
    currency = _currency(tables)
    doubts = {
        "time_zone": [
            "the zone in which days begin; correct it, e.g. Europe/Paris, with first "
            "and last day"
        ],
        "currency": [
            "no file tells it; write its ISO code, such as EUR"
            if currency == "XXX"
            else "the only value of a column called currency"
        ],
        "first_day": [why],
    }
    if "last_day" in days:
        doubts["last_day"] = [
            "the last day of the files; take it out if deliveries go on"
        ]
    return {
        "name": name,
        "title": name.replace("_", " ").capitalize(),
        "currency": currency,
        "days": days,
        "doubts": doubts,
    }


def _days(tables: list[TableGuess]) -> tuple[dict[str, str], str]:
    cursors = [table.column(table.cursor) for table in tables if table.cursor]
    bounds = _bounds(cursors)
    why = "the earliest day of a cursor; rows before it are not fetched"
    if not bounds:
        times = [moment for table in tables for moment in possible_cursors(table)]
        bounds = _bounds(times)
        why = "the earliest day of any time in the files"
    if not bounds:
        years = [
            int(year)
            for table in tables
            for path in table.delivery.files
            for year in re.findall(r"(?<!\d)((?:19|20)\d\d)(?!\d)", path.name)
        ]
        bounds = [(dt.date(year, 1, 1), dt.date(year, 12, 31)) for year in years]
        why = "no table tells days; taken from the years in the files' names"
    if not bounds:
        return {"first_day": "2000-01-01"}, "no table tells days; write the first one"
    first = min(first for first, _ in bounds)
    last = max(last for _, last in bounds)
    days = {"first_day": first.isoformat()}
    if last < dt.datetime.now(dt.UTC).date() - dt.timedelta(1):
        days["last_day"] = last.isoformat()
    return days, why


def _bounds(columns: list[ColumnGuess]) -> list[tuple[dt.date, dt.date]]:
    return [
        (column.first.date(), column.last.date())
        for column in columns
        if column.first and column.last
    ]


def _currency(tables: list[TableGuess]) -> str:
    for table in tables:
        for column in table.columns:
            value = column.only_value or ""
            if "currency" in column.words and re.fullmatch(r"[A-Z]{3}", value):
                return value
    return "XXX"


def summary(done: Scaffolded) -> str:
    """What was found and what is to be looked at, for people."""
    feeds: dict[str, list[str]] = {}
    for staging in done.mapping.stagings:
        feeds.setdefault(staging.table.name, []).append(staging.feed)
    width = max(len(table.name) for table in done.tables)
    lines = [f"{done.folder}: {len(done.tables)} tables"]
    for table in done.tables:
        delivery = table.delivery
        count = len(delivery.files)
        lines.append(
            f"  {table.name:{width}}  {delivery.rows:>12,} rows  "
            f"{count} file{'s' if count > 1 else ' '}  "
            f"key {', '.join(table.key) or 'none'}; "
            f"{f'cursor {table.cursor}' if table.cursor else 'snapshot'}; "
            f"feeds: {', '.join(feeds.get(table.name, [])) or 'none'}"
        )
    lines += [f"  left out: {reason}" for reason in done.left_out]
    lines.append(f"{len(done.doubts)} doubts, each a comment in its place:")
    lines += [f"  {doubt}" for doubt in done.doubts]
    has_pii = any("pii" in c.rules for table in done.tables for c in table.columns)
    if has_pii:
        lines.append(
            "Some columns identify people: set KITH_IDENTIFIER_KEY to a long random "
            "text, kept outside of the repository."
        )
    return "\n".join(lines)
