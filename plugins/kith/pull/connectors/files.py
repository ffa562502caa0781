"""Connector `files`: text, Parquet and workbooks, packed or not, on disk or in a store.

| kind | suffix |
|---|---|
| delimited text | .csv, .tsv, .tab; .txt where `options.delimiter` is declared |
| lines of JSON | .jsonl, .ndjson |
| Parquet | .parquet |
| workbook | .xlsx, .xlsm, .xlsb, .xls |

Each may be packed as .gz, .zst or .zip. `kith.pull.connectors.locations` tells what
`path` may be. Options of delimited text: delimiter, quote, escape; of all text:
encoding; of a workbook: sheet. Of both: skip_lines, the number of lines above the
header.
"""

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from kith.company.tables import SourceTable
from kith.database import parquet_sql, quote, write_parquet
from kith.deliveries.columns import ROW_NUMBER, checked_names
from kith.deliveries.raw import reading
from kith.errors import ConfigurationError, DeliveryError
from kith.pull.connectors.contents import check_content
from kith.pull.connectors.landing import (
    columns_of,
    of_parquet,
    store_rejects,
)
from kith.pull.connectors.locations import find_locations
from kith.pull.connectors.packed import PACKINGS, Member, unpack
from kith.pull.connectors.request import Fetched, FetchRequest, check_unchanged
from kith.pull.connectors.text_files import (
    DELIMITED,
    JSON_LINES,
    Text,
    convert_delimited,
    convert_json_lines,
)
from kith.storage import state_of

# What an option may be.
_PATTERNS = {
    "delimiter": (r"[^\0\r\n]", 'one character (a tab is "\\t", in double quotes)'),
    "quote": (r"[^\0\r\n\x80-\U0010ffff]?", "a character of ASCII, or none"),
    "escape": (r"[^\0\r\n\x80-\U0010ffff]", "a character of ASCII"),
    "skip_lines": (r"\d{1,4}", "the number of lines above the header"),
}
_OPTIONS = {*_PATTERNS, "encoding", "sheet"}
WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls")
_KINDS = (*DELIMITED, *JSON_LINES, ".parquet", *WORKBOOKS)


def fetch(request: FetchRequest) -> list[Fetched]:
    """Fetch the rows of every file of the window, in the order of their paths.

    Raises DeliveryError when no file matches the table's path, or one cannot be read.
    """
    _check_options(request.table)
    numbers = itertools.count(1)
    fetched = []
    for location in find_locations(request):
        where = f"{request.table.full_name}: {location.origin}"
        path = location.bring()
        is_ours = path.is_relative_to(request.workspace)
        member = Member(location.origin, path.name, path, is_ours)
        with _unchanged(where, member) as state, reading(where, request.table):
            if member.suffix in PACKINGS:
                check_content(where, path, member.suffix)
            limit = request.table.rules.unpacked_limit_gb
            for each in unpack(member, request.workspace, limit):
                if each.origin != location.origin:
                    _check_member(request.table, each)
                target = request.workspace / f"{next(numbers):04}.parquet"
                read = replace(_read(request, each, target), named_at=location.named_at)
                fetched.append(replace(read, state=state) if read.is_original else read)
    return fetched or [_nothing(request)]


@contextmanager
def _unchanged(where: str, member: Member) -> Iterator[tuple[int, ...]]:
    """Raise TransientError where somebody else changes a file that is read."""
    state = state_of(member.path)
    try:
        yield state
    finally:
        if not member.is_ours:
            check_unchanged(where, member.path, state)


def _check_options(table: SourceTable) -> None:
    where = f"sources.yml: {table.full_name}: options"
    for name, value in table.rules.options.items():
        if name not in _OPTIONS:
            raise ConfigurationError(
                f"{where}: unknown option '{name}'; known are "
                f"{', '.join(sorted(_OPTIONS))}"
            )
        pattern, expected = _PATTERNS.get(name, (".*", ""))
        if not re.fullmatch(pattern, value):
            raise ConfigurationError(
                f"{where}.{name}: found {value!r}; expected {expected}"
            )
    if table.rules.options.get("quote") == "" and "escape" in table.rules.options:
        raise ConfigurationError(
            f"{where}.escape: escapes are read inside of quotes only, and `quote` is "
            "empty; leave one of the two out"
        )
    encoding = table.rules.options.get("encoding", "utf-8")
    try:
        # As it will be read: some know no such errors, or are no encodings of text.
        bytes(4).decode(encoding, "surrogateescape")
    except (LookupError, UnicodeError):
        raise ConfigurationError(
            f"{where}.encoding: found '{encoding}'; expected a name such as utf-8, "
            "cp1252 (Windows), latin-1 or utf-16"
        ) from None


def _check_member(table: SourceTable, member: Member) -> None:
    """Raise DeliveryError where one of several files of an archive holds no rows."""
    is_plain = member.suffix == ".txt" and "delimiter" not in table.rules.options
    if is_plain or member.suffix not in _KINDS:
        rest = ", or set options.delimiter in sources.yml if it holds rows"
        raise DeliveryError(
            f"{table.full_name}: {member.origin}: the archive holds several files, and "
            f"this one is of no kind that is read ({', '.join(_KINDS)}"
            f"{', .txt only with options.delimiter' if is_plain else ''}); expected "
            "files of the table alone; have it left out of the archive"
            f"{rest if is_plain else ''}"
        )


def _read(request: FetchRequest, member: Member, target: Path) -> Fetched:
    where = f"{request.table.full_name}: {member.origin}"
    with reading(where, request.table):
        check_content(where, member.path, member.suffix)
        if member.suffix == ".parquet":
            return _parquet(request, where, member, target)
        text = Text(has_odd_signs=True, ends_open=False)
        if member.suffix in DELIMITED:
            text = convert_delimited(request, where, member, target)
        elif member.suffix in JSON_LINES:
            convert_json_lines(request, where, member, target)
        elif member.suffix in WORKBOOKS:
            # Imported here, since few deliveries are workbooks.
            from kith.pull.connectors.workbooks import convert_workbook

            convert_workbook(request, where, member.path, target)
            member.discard()
        else:
            of_json = " with one object per line" if member.suffix == ".json" else ""
            raise DeliveryError(
                f"{where}: unknown kind of file; expected {', '.join(_KINDS)}, plain "
                f"or packed ({', '.join(PACKINGS)}); have it delivered as one of them"
                f"{of_json and f' (.jsonl{of_json})'}, rename it, or narrow `path` in "
                "sources.yml"
            )
        return of_parquet(
            request,
            member.origin,
            target,
            store_rejects(request.duckdb, target.with_suffix(".rejects.parquet")),
            has_schema=member.suffix not in JSON_LINES,
            has_odd_signs=text.has_odd_signs,
            ends_open=text.ends_open,
            may_hold_rows=text.may_hold_rows,
        )


def _parquet(
    request: FetchRequest, where: str, member: Member, target: Path
) -> Fetched:
    delivered = list(columns_of(request.duckdb, member.path))
    names = checked_names(request.table, where, delivered)
    path = member.path
    if names != delivered:
        renamed = ", ".join(
            f"{quote(old)} as {quote(new)}"
            for old, new in zip(delivered, names, strict=True)
        )
        path = target
        write_parquet(
            request.duckdb, f"select {renamed} from {parquet_sql(member.path)}", path
        )
        member.discard()
    is_original = path == member.path and not member.is_ours
    return of_parquet(request, member.origin, path, is_original=is_original)


def _nothing(request: FetchRequest) -> Fetched:
    """Of files of other days only: a delivery without rows, for admission to judge."""
    path = request.workspace / "nothing.parquet"
    write_parquet(request.duckdb, f"select 0 as {ROW_NUMBER} where false", path)
    return of_parquet(request, request.table.rules.path or "", path, has_schema=False)
