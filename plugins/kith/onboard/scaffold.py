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

from kith.company.folder import RESERVED_FOLDERS, load_company
from kith.company.sources import RESERVED_SCHEMAS
from kith.database import connect
from kith.errors import ConfigurationError, one_line
from kith.onboard.deliveries import read_folder
from kith.onboard.doubts import NUMBERS, harmless, listed
from kith.onboard.feeds import is_flow, map_feeds
from kith.onboard.file_days import day_in
from kith.onboard.nested import ITEM_NUMBER, take_apart
from kith.onboard.people import guess_people
from kith.onboard.staging import Staging
from kith.onboard.tables import (
    TableGuess,
    day_of,
    guess_cursor,
    guess_dated_path,
    guess_references,
    possible_cursors,
    profile,
)
from kith.onboard.writing import doubts_in, write_folder


@dataclass(frozen=True)
class Scaffolded:
    """A company folder that was written, and what is doubtful of it."""

    folder: Path
    tables: list[TableGuess]
    stagings: list[Staging]
    left_out: list[str]
    doubts: list[str]


def scaffold(name: str, files: Path, folder: Path) -> Scaffolded:
    """Write the company folder `folder` after the files below `files`.

    Raises ConfigurationError when the name cannot be a company's, the folder exists
    already, or no file could be read.
    """
    _check(name, files, folder)
    is_taken = name in RESERVED_SCHEMAS
    source = f"{name}_files" if is_taken else name
    with tempfile.TemporaryDirectory(prefix="kith_company_") as scratch:
        workspace = Path(scratch)
        with connect(scratch=workspace / "duckdb") as connection:
            deliveries, left_out = read_folder(connection, files, workspace)
            if not deliveries:
                reasons = "; ".join(left_out) or "there are none"
                raise ConfigurationError(
                    f"FILES={files}: no file can be read as a table: {reasons}"
                )
            tables: list[TableGuess] = []
            lists: list[TableGuess] = []
            for number, each in enumerate(deliveries):
                whole, parts = take_apart(connection, each, f"apart_{number}")
                tables.append(profile(connection, whole, f"{number}"))
                for place, part in enumerate(parts):
                    lists.append(profile(connection, part, f"{number}_{place}"))
                    lists[-1].key = [*(tables[-1].key or ["row_key"]), ITEM_NUMBER]
            guess_references(tables, source)
            guess_people(tables + lists)
            for table in tables:
                guess_cursor(table, is_flow(table))
                guess_dated_path(table)
            for items in lists:
                # They are those of its table.
                items.doubts.clear()
            of_rows = {table.name: len(table.doubts) for table in tables}
            stagings = map_feeds(tables + lists)
            _weigh(tables, stagings, of_rows)
            for items in lists:
                table = next(one for one in tables if one.name == items.source_name)
                table.doubts += items.doubts
        built = workspace / "company"
        company = {
            "name": name,
            "title": name.replace("_", " ").capitalize(),
            "time_zone": "UTC",
            "currency": _currency(tables),
        }
        days, why = _days(tables)
        doubts = {
            "time_zone": f"{NUMBERS}the zone in which days begin; correct it, e.g. "
            "Europe/Paris, with first and last day",
            "currency": "no file tells it; write its ISO code, such as EUR"
            if company["currency"] == "XXX"
            else "the only value of a column called currency",
            "first_day": why,
            "last_day": "the last day of the files; take it out if deliveries go on",
        }
        of_keys = {key: [doubt] for key, doubt in doubts.items()}
        write_folder(built, source, tables, stagings, {**company, **days}, of_keys)
        load_company(built)
        shutil.copytree(built, folder)
    return Scaffolded(folder, tables, stagings, left_out, doubts_in(folder))


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
        found = "is a file" if files.exists() else "does not exist"
        raise ConfigurationError(
            f"FILES={files}: {found}; expected the folder that holds the files"
        )


def _weigh(
    tables: list[TableGuess], stagings: list[Staging], of_rows: dict[str, int]
) -> None:
    """Tell harmless doubts, about what no feed is made of, from the others.

    `of_rows` counts the doubts about the rows of a table, before those about its feed.
    """
    for table in tables:
        made = [each for each in stagings if each.reads(table)]
        if not made:
            count = of_rows[table.name]
            table.doubts[:count] = map(harmless, table.doubts[:count])
            table.delivery.doubts[:] = map(harmless, table.delivery.doubts)
        for column in table.columns:
            is_used = (
                any(each.uses(column, table) for each in made)
                or column.name in (*table.key, table.cursor)
                # Identity reads each of them, whether a feed does or not.
                or "pii" in column.rules
                # For want of a type it may be missing.
                or (
                    column.data_type == "varchar"
                    and (column.is_mixed or column.has_word("money", "time", "person"))
                )
            )
            if not is_used:
                column.doubts[:] = map(harmless, column.doubts)


def _days(tables: list[TableGuess]) -> tuple[dict[str, str], str]:
    """First and last day of the company, and where the first one comes from."""
    cursors = [table.column(table.cursor) for table in tables if table.cursor]
    times = [column for table in tables for column in possible_cursors(table)]
    named = [day_in(path.name) for table in tables for path in table.delivery.files]
    years = [day.year for day in named if day]
    why = "the earliest day of a cursor; rows before it are not fetched"
    if not cursors:
        why = "the earliest day of any time in the files"
    if bounded := cursors or times:
        first = day_of(min(day_of(column.low) for column in bounded))
        last = max(day_of(column.high) for column in bounded)
    elif years:
        why = f"{NUMBERS}no table tells days; taken from the years in the files' names"
        first, last = dt.date(min(years), 1, 1), dt.date(max(years), 12, 31)
    else:
        why = f"{NUMBERS}no table tells days; write the first one"
        return {"first_day": "2000-01-01"}, why
    days = {"first_day": first.isoformat()}
    if last < dt.datetime.now(dt.UTC).date() - dt.timedelta(1):
        days["last_day"] = last.isoformat()
    return days, why


def _currency(tables: list[TableGuess]) -> str:
    for table in tables:
        for column in table.columns:
            (value, *others) = column.sample or [""]
            if (
                "currency" in column.words
                and not others
                and re.fullmatch(r"[A-Z]{3}", value)
            ):
                return value
    return "XXX"


def summary(done: Scaffolded) -> str:
    """What was found and what is to be looked at, for people."""
    width = max(len(table.name) for table in done.tables)
    lines = [f"{done.folder}: {len(done.tables)} tables"]
    for table in done.tables:
        count = len(table.delivery.files)
        feeds = [
            each.feed for each in done.stagings if each.table.source_name == table.name
        ]
        lines.append(
            f"  {table.name:{width}}  {table.delivery.rows:>12,} rows  "
            f"{count} file{'s' if count > 1 else ' '}  "
            f"key {', '.join(table.key) or 'none'}; "
            f"{f'cursor {table.cursor}' if table.cursor else 'snapshot'}; "
            f"feeds: {', '.join(feeds) or 'none'}"
        )
    lines += [f"  left out: {one_line(reason)}" for reason in done.left_out]
    lines += listed(done.doubts, str(done.folder))
    if any("pii" in c.rules for table in done.tables for c in table.columns):
        lines.append(
            "Some columns identify people: set KITH_IDENTIFIER_KEY to a long random "
            "text, kept outside of the repository."
        )
    return "\n".join(lines)
