"""A stranger's folder as tables: which files belong together, how to read them.

Rows are fetched by the connector that will fetch them in each run, so that what is
seen here is what will be delivered.
"""

import codecs
import csv
import datetime as dt
import glob
import itertools
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import chardet
import duckdb
from chardet.enums import EncodingEra
from python_calamine import (
    CalamineError,
    CalamineWorkbook,
    SheetTypeEnum,
    SheetVisibleEnum,
)
from slugify import slugify

from kith.company import SourceTable, TableRules
from kith.connections import environment_connection
from kith.connectors import Fetched, Request, files
from kith.connectors.packed import Part, unpack
from kith.connectors.text_files import DELIMITED, JSON_LINES
from kith.database import fetch_row, literal
from kith.errors import DeliveryError
from kith.runs import Interval

_DELIMITERS = ",;\t|:^~\x01\x1f"
_SAMPLE_BYTES = 2 << 20
_ALWAYS = Interval(dt.date(1900, 1, 1), dt.date(2200, 1, 1))
# Files of one name pattern are one table as long as they share this much of their
# columns with another one of them: a survey changes every year and is still the same.
_SHARED_COLUMNS = 0.1
_CELLS_IN_MEMORY = 20_000_000
_OWN_COLUMNS = {"loaded_at", "row_key"}
_NO_NAME = re.compile(r"[+-]?[\d.,:/\s-]+|.*@.*\..*")


@dataclass
class _File:
    """A file, or a sheet of one, with its rows; `options` as in sources.yml."""

    path: Path
    inside: str
    options: dict[str, str]
    is_ascii: bool
    doubts: list[str]
    fetched: list[Fetched] = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        return {plain_name(name) for each in self.fetched for name in each.columns}


@dataclass
class Delivery:
    """Files that are one table, with all of their rows in DuckDB.

    `view` holds them as delivered, with the name of their file as `_kith_file`; it is a
    temporary table or view, as `kind` says. `raw_types` are the types of its columns,
    `columns` maps the name that a column will have to its names there, `missing` to the
    files that lack it.
    """

    name: str
    files: list[Path]
    path: str
    options: dict[str, str]
    view: str
    kind: str
    rows: int
    raw_types: dict[str, str]
    columns: dict[str, list[str]]
    missing: dict[str, list[str]]
    doubts: list[str]


def read_folder(
    connection: duckdb.DuckDBPyConnection, folder: Path, workspace: Path
) -> tuple[list[Delivery], list[str]]:
    """Group the files below a folder into tables and fetch all of their rows.

    Returns the tables, and the files that were left out with the reason.
    """
    found: list[_File] = []
    left_out: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        inside = str(path.relative_to(folder))
        if not path.is_file() or re.search(r"(^|/)[.~]", inside):
            continue
        try:
            found += _examined(connection, path, inside, workspace)
        except (DeliveryError, OSError, EOFError, csv.Error) as error:
            told = isinstance(error, DeliveryError)
            left_out[inside] = (
                str(error) if told else "cannot be opened, it seems damaged"
            )
    places = (workspace / f"{number:05}" for number in itertools.count(1))
    groups: dict[str, list[_File]] = defaultdict(list)
    for file in found:
        _take_encoding_of_siblings(file, found)
        try:
            file.fetched = _fetch(connection, file, next(places))
        except (DeliveryError, csv.Error) as error:
            left_out[file.inside] = str(error)
        else:
            groups[f"{_numberless(file)} {file.options}"].append(file)
    deliveries: list[Delivery] = []
    for together in itertools.chain(*map(_of_one_shape, groups.values())):
        inside = ", ".join(file.inside for file in together)
        try:
            number = len(deliveries) + 1
            deliveries.append(_delivery(connection, together, f"table_{number}"))
        except DeliveryError as error:
            left_out[inside] = str(error)
    _name_apart(deliveries, folder)
    reasons = [f"{inside}: {reason}" for inside, reason in sorted(left_out.items())]
    return sorted(deliveries, key=lambda each: each.name), reasons


def _numberless(file: _File) -> str:
    return re.sub(r"\d+", "#", file.inside)


# --- dialects -------------------------------------------------------------------------


def _examined(
    connection: duckdb.DuckDBPyConnection, path: Path, inside: str, workspace: Path
) -> Iterator[_File]:
    """The file with its dialect; a workbook of several sheets as one file per sheet."""
    members = list(unpack(Part(inside, path.name, path, is_ours=False), workspace))
    kinds = {member.suffix for member in members}
    if len(kinds) > 1:
        raise DeliveryError(
            f"holds files of several kinds ({', '.join(kinds)}); unpack"
        )
    (kind,) = kinds
    if kind in DELIMITED:
        yield _delimited(connection, path, inside, members[0], workspace)
    elif kind == ".parquet" or kind in JSON_LINES:
        yield _File(path, inside, {}, False, [])
    else:
        for options in _sheets(members[0].path):
            yield _File(path, inside, options, False, [])
    for member in members:
        member.discard()


def _sheets(path: Path) -> list[dict[str, str]]:
    try:
        with path.open("rb") as stream:
            workbook = CalamineWorkbook.from_filelike(stream)
        filled = [
            sheet.name
            for sheet in workbook.sheets_metadata
            if sheet.typ == SheetTypeEnum.WorkSheet
            and sheet.visible == SheetVisibleEnum.Visible
            and workbook.get_sheet_by_name(sheet.name).height > 1
        ]
    except CalamineError:
        raise DeliveryError("no kind of file that Kith reads") from None
    if not filled:
        raise DeliveryError("no sheet has rows below a header")
    if len(workbook.sheets_metadata) == 1:
        return [{}]
    return [{"sheet": sheet} for sheet in filled]


def _delimited(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    inside: str,
    part: Part,
    workspace: Path,
) -> _File:
    encoding, doubts = _encoding(part.path)
    with part.path.open(encoding=encoding, errors="ignore", newline="") as stream:
        start = stream.read(_SAMPLE_BYTES).removeprefix("\ufeff")
    lines = start.splitlines(keepends=True)
    if len(start) == _SAMPLE_BYTES and len(lines) > 1:
        lines.pop()
    if not start.strip():
        raise DeliveryError("is empty, not even a header was found")
    sample = workspace / "sample"
    sample.write_text("".join(lines), encoding="utf-8", newline="")
    delimiter, quote_sign = _sniffed(connection, sample, lines)
    options = {}
    if delimiter != DELIMITED[part.suffix]:
        options["delimiter"] = delimiter
    if quote_sign != '"':
        options["quote"] = quote_sign
    if encoding not in ("ascii", "utf-8"):
        options["encoding"] = encoding
    return _File(path, inside, options, encoding == "ascii", doubts)


def _encoding(path: Path) -> tuple[str, list[str]]:
    """Encoding in which every byte of the file can be read, and what is doubtful."""
    with path.open("rb") as stream:
        start = stream.read(1 << 16)
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16", []
        if b"\0" not in start:
            for encoding in ("ascii", "utf-8"):
                if _can_be_read(path, encoding):
                    return encoding, []
            # Of a file in English with three accents only these lines tell anything.
            foreign = (line for line in itertools.chain([start], stream))
            lines = (line for line in foreign if not line.isascii())
            start = b"".join(itertools.islice(lines, 1000))
    likely = [
        (guess["confidence"], codecs.lookup(guess["encoding"]).name)
        for guess in chardet.detect_all(start, encoding_era=EncodingEra.MODERN_WEB)
        if guess["encoding"]
    ]
    # Those of eastern and western Europe differ in few letters only.
    likely.sort(key=lambda one: one[0] * (1 + (one[1] == "cp1252")), reverse=True)
    names = [*(name for _, name in likely), "latin-1"]
    best = next(name for name in names if _can_be_read(path, name))
    others = [name for name in names if name != best][:2]
    return best, [
        f"not UTF-8; read as {best}, by the look of its letters; if words look wrong, "
        f"set options.encoding, e.g. {' or '.join(others)}"
    ]


def _can_be_read(path: Path, encoding: str) -> bool:
    try:
        with path.open(encoding=encoding, newline="") as stream:
            while stream.read(_SAMPLE_BYTES):
                pass
    except UnicodeError:
        return False
    return True


def _sniffed(
    connection: duckdb.DuckDBPyConnection, sample: Path, lines: list[str]
) -> tuple[str, str]:
    """Delimiter and quote sign, by DuckDB's sniffer."""
    likely = sorted(_DELIMITERS, key=lambda sign: -lines[0].count(sign))
    is_divided = likely[0] in lines[0].strip() or "  " in lines[0].strip()
    if len(lines) == 1:
        return likely[0] if likely[0] in lines[0] else ",", '"'
    for given in ("", *(f", delim = {literal(sign)}" for sign in likely[:3])):
        try:
            delimiter, quote_sign, skipped, count = fetch_row(
                connection,
                "select Delimiter, Quote, SkipRows, len(Columns) from sniff_csv("
                f"{literal(str(sample))}, all_varchar = true, header = true{given})",
            )
        except duckdb.Error:
            continue
        if count == 1 and is_divided:
            continue
        if skipped:
            raise DeliveryError(
                f"{skipped} lines stand before the header; have them removed"
            )
        # A sample without quotes shows nothing of them: the usual sign holds.
        return delimiter, quote_sign if quote_sign == "'" else '"'
    if is_divided:
        raise DeliveryError(
            "no delimiter divides its lines into equal numbers of fields; save it with "
            "commas, semicolons or tabs between them"
        )
    return ",", '"'


def _take_encoding_of_siblings(file: _File, found: list[_File]) -> None:
    """A month without an umlaut is written like those with one."""
    for other in found if file.is_ascii else []:
        encoding = other.options.get("encoding", "")
        is_superset = encoding and not encoding.startswith("utf")
        if is_superset and _numberless(other) == _numberless(file):
            file.options["encoding"] = encoding


def _fetch(
    connection: duckdb.DuckDBPyConnection, file: _File, place: Path
) -> list[Fetched]:
    """The rows of one file, as the connector reads them in a run."""
    place.mkdir()
    path = glob.escape(str(file.path))
    rules = TableRules(connector="files", path=path, options=file.options)
    table = SourceTable(source="scaffold", name="scaffold", rules=rules, columns=[])
    try:
        fetched = files.fetch(
            Request(
                table=table,
                company_folder=file.path.parent,
                time_zone="UTC",
                window=_ALWAYS,
                past=None,
                workspace=place,
                duckdb=connection,
                find_connection=environment_connection,
            )
        )
    except DeliveryError as error:
        told = (
            str(error)
            .removeprefix(f"{table.full_name}: ")
            .replace("; expected the header ;", ";")
        )
        raise DeliveryError(told.removeprefix(f"{file.path.name}: ")) from None
    names = [name for each in fetched for name in each.columns]
    if sum(bool(_NO_NAME.fullmatch(name)) for name in names) * 2 >= len(names):
        # Not as a guess with a doubt: values would become names in sources.yml.
        raise DeliveryError(
            "the first line holds values, no names of columns; add them"
        )
    return fetched


# --- groups ---------------------------------------------------------------------------


def _of_one_shape(alike: list[_File]) -> list[list[_File]]:
    """Divide files of one name pattern into those whose columns are akin."""
    groups: list[list[_File]] = []
    for file in alike:
        akin: list[list[_File]] = []
        others: list[list[_File]] = []
        for group in groups:
            is_akin = any(
                len(file.names & other.names)
                >= _SHARED_COLUMNS * len(file.names | other.names)
                for other in group
            )
            (akin if is_akin else others).append(group)
        groups = [*others, [*itertools.chain(*akin), file]]
    return [sorted(group, key=lambda file: file.path) for group in groups]


def _pattern(paths: list[Path]) -> str:
    """Path with wildcards that matches these files and no other.

    Raises DeliveryError naming the file that stands in the way of one.
    """
    folder = glob.escape(str(paths[0].parent))
    parts = [re.split(r"(\d+)", path.name) for path in paths]
    varying = {
        place
        for place in range(1, len(parts[0]), 2)
        if len({part[place] for part in parts}) > 1
        or re.fullmatch(r"(19|20)\d\d(\d\d){0,2}", parts[0][place])
    }
    if not varying:
        return f"{folder}/{glob.escape(paths[0].name)}"
    others: list[Path] = []
    for wildcard in ("*", "[0-9]*"):
        name = "".join(
            wildcard if place in varying else glob.escape(part)
            for place, part in enumerate(parts[0])
        )
        # What stands between the numbers of one date is part of it.
        name = re.sub(r"\*(?:[-_.]?(?:\d{1,2}|\*))+(?=[^\d*])", "*", name)
        matching = sorted(paths[0].parent.glob(name))
        if matching == paths:
            return f"{folder}/{name}"
        others = [path for path in matching if path not in paths]
    if len(paths) == 1:
        return f"{folder}/{glob.escape(paths[0].name)}"
    between = f", not even without {others[0].name}" if others else ""
    raise DeliveryError(
        f"no path with wildcards means these {len(paths)} files alone{between}; give "
        "them a folder of their own"
    )


def plain_name(name: str) -> str:
    """A delivered name as an SQL name: lower case, digits, underscores."""
    plain = re.sub(r"\W+", "_", name.strip().lower()).strip("_")
    if not plain or plain in _OWN_COLUMNS or not plain[0].isalpha():
        plain = f"delivered_{plain}" if plain else "column"
    return plain


def _delivery(
    connection: duckdb.DuckDBPyConnection, together: list[_File], view: str
) -> Delivery:
    paths = [file.path for file in together]
    options = together[0].options
    fetched = [(file, each) for file in together for each in file.fetched]
    rows = sum(each.rows for _, each in fetched)
    if not rows:
        raise DeliveryError("no rows below a header")
    columns: dict[str, list[str]] = {}
    for _, each in fetched:
        for delivered in each.columns:
            if delivered.lower() in {
                d.lower() for known in columns.values() for d in known
            }:
                continue
            name = plain_name(delivered)
            # Two names of one file are two columns; of two files they may be one.
            while any(
                {delivered, known} <= set(other.columns)
                for known in columns.get(name, [])
                for _, other in fetched
            ):
                name += "_2"
            columns.setdefault(name, []).append(delivered)
    missing: dict[str, list[str]] = {}
    for name, names in columns.items():
        known = {delivered.lower() for delivered in names}
        lacking = [
            file.path.name
            for file, each in fetched
            if not known & {delivered.lower() for delivered in each.columns}
        ]
        if lacking:
            missing[name] = lacking
    doubts = sorted({doubt for file in together for doubt in file.doubts})
    rejects = sum(each.reject_count for _, each in fetched)
    if rejects:
        doubts.append(
            f"{rejects} lines cannot be read and go to quarantine; if they are many, "
            "look at options.delimiter, quote and encoding"
        )
    if any(_NO_NAME.fullmatch(name) for names in columns.values() for name in names):
        doubts.append(
            "its first line, taken for names of columns, holds a number; if it is a "
            "row, have a header put before it"
        )
    if missing:
        doubts.append(
            f"{len(missing)} of {len(columns)} columns are not in all of its "
            f"{len(paths)} files; a file that lacks one gives NULL and a warning"
        )
    # As a table it answers a hundred questions faster, but must fit into memory.
    kind = "table" if rows * len(columns) <= _CELLS_IN_MEMORY else "view"
    listed = ", ".join(literal(str(each.path)) for _, each in fetched)
    origins = ", ".join(
        f"{literal(str(each.path))}: {literal(file.path.name)}"
        for file, each in fetched
    )
    connection.execute(
        f"create temp {kind} {view} as select * exclude (_kith_path), "
        f"map {{{origins}}}[_kith_path] as _kith_file from read_parquet([{listed}], "
        "union_by_name = true, filename = '_kith_path')"
    )
    described = connection.execute(f"describe {view}").fetchall()
    return Delivery(
        name=_table_name(paths, options.get("sheet")),
        files=paths,
        path=_pattern(paths),
        options=options,
        view=view,
        kind=kind,
        rows=rows,
        raw_types={row[0]: row[1] for row in described if row[0][:6] != "_kith_"},
        columns=columns,
        missing=missing,
        doubts=doubts,
    )


def _slug(text: str) -> str:
    return slugify(text, separator="_")


def _table_name(paths: list[Path], sheet: str | None) -> str:
    words = re.sub(r"\d+", " ", paths[0].name.split(".")[0])
    name = _slug(words) or _slug(paths[0].parent.name) or "rows"
    if sheet:
        name += f"_{_slug(sheet)}"
    return name if name[0].isalpha() else f"table_{name}"


def _name_apart(deliveries: list[Delivery], folder: Path) -> None:
    """Give tables of equal names the name of their folder, then a number."""
    for tell in ("folder", "number"):
        names = defaultdict(list)
        for delivery in deliveries:
            names[delivery.name].append(delivery)
        for name, group in names.items():
            for number, delivery in enumerate(group if len(group) > 1 else [], 1):
                inside = _slug(str(delivery.files[0].parent.relative_to(folder)))
                if tell == "number":
                    delivery.name = f"{name}_{number}"
                elif inside[:1].isalpha():
                    delivery.name = f"{inside}_{name}"
