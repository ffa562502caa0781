"""A stranger's folder as tables: which files belong together, how to read them.

Rows are fetched by the connector that will fetch them in each run, so that what is
seen here is what will be delivered.
"""

import codecs
import datetime as dt
import itertools
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import chardet
import duckdb
from chardet.enums import EncodingEra
from duckdb import DuckDBPyConnection, DuckDBPyRelation
from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)
from slugify import slugify

from kith.admit.faults import total_line
from kith.company.tables import SourceTable, TableRules, literal_path
from kith.database import fetch_row, literal, parquet_sql
from kith.deliveries.columns import is_own
from kith.errors import DeliveryError, one_line
from kith.failures import lack_of
from kith.onboard.doubts import NUMBERS
from kith.pull.connections import environment_connection
from kith.pull.connectors import files
from kith.pull.connectors.packed import Member, unpack
from kith.pull.connectors.request import Fetched, FetchRequest
from kith.pull.connectors.text_files import DELIMITED, JSON_LINES
from kith.runs.run import Interval

_DELIMITERS = ",;\t|:^~\x01\x1f"
_SAMPLE_CHARACTERS = 2 << 20
_ALWAYS = Interval(dt.date(1900, 1, 1), dt.date(2200, 1, 1))
# Files of one name pattern are one table as long as they share this much of their
# columns with another one of them: a survey changes every year and is still the same.
_SHARED_COLUMNS = 0.1
_CELLS_IN_MEMORY = 20_000_000
_OWN_COLUMNS = {"loaded_at", "row_key"}
_EMPTY = "is empty, not even a header was found"
_ABOVE = f"{NUMBERS}{{}} lines stand above the header; none is a row?"
_HEADER_WITHIN = 20
_SHEET_SAMPLE = 1000
_VALUE = re.compile(r"[+-]?[\d.,:/\s-]+|.*@.*\..*")
# What the connector calls a column whose header is empty.
_NO_NAME = re.compile(rf"{_VALUE.pattern}|column_\d+")


@dataclass
class _File:
    """A file, or a sheet of one, with its rows; `options` as in sources.yml."""

    path: Path
    inside: str
    options: dict[str, str]
    doubts: list[str] = field(default_factory=list)
    is_ascii: bool = False
    fetched: list[Fetched] = field(default_factory=list)

    @property
    def pattern(self) -> str:
        """Its place without numbers."""
        return re.sub(r"\d+", "#", self.inside)

    @property
    def names(self) -> set[str]:
        """Names of its columns, as they are declared."""
        return {plain_name(name) for each in self.fetched for name in each.columns}


@dataclass
class TableFiles:
    """Files that are one table.

    `delivered` holds their rows as they came, with the name of their file as
    `_kith_file`; `rows` counts them. `columns` maps the name that a column will have to
    its names there, `missing` to the files that lack it.

    `holders` are columns whose values hold others; `fields` maps columns that are part
    of them to their SQL in staging and their own name. Of a table of a list's items,
    `items` is SQL of the list and `source` the name of the table that has it.
    """

    name: str
    files: list[Path]
    path: str
    options: dict[str, str]
    delivered: DuckDBPyRelation
    rows: int
    columns: dict[str, list[str]]
    missing: dict[str, set[str]]
    doubts: list[str]
    holders: set[str] = field(default_factory=set)
    fields: dict[str, tuple[str, str]] = field(default_factory=dict)
    items: str = ""
    source: str = ""

    @cached_property
    def raw_types(self) -> dict[str, str]:
        """Type of each delivered column."""
        return dict(
            zip(self.delivered.columns, map(str, self.delivered.types), strict=True)
        )


def keep(
    connection: DuckDBPyConnection, name: str, query: str, cells: int
) -> DuckDBPyRelation:
    """The rows of a query under a name, in memory unless they are too many."""
    kind = "table" if cells <= _CELLS_IN_MEMORY else "view"
    connection.execute(f"create temp {kind} {name} as {query}")
    return connection.table(name) if kind == "table" else connection.view(name)


def read_folder(
    connection: DuckDBPyConnection, folder: Path, workspace: Path
) -> tuple[list[TableFiles], list[str]]:
    """Group the files below a folder into tables and fetch all of their rows.

    Returns the tables, and the files that were left out with the reason.
    """
    found: list[_File] = []
    left_out: list[str] = []
    for path in sorted(folder.rglob("*")):
        inside = str(path.relative_to(folder))
        is_dead_link = path.is_symlink() and not path.exists()
        if not (path.is_file() or is_dead_link) or re.search(r"(^|/)[.~]", inside):
            continue
        try:
            if is_dead_link:
                raise DeliveryError("a link that leads to no file")
            if not path.stat().st_size:
                raise DeliveryError(_EMPTY)
            found += _examined(connection, path, inside, workspace)
        except DeliveryError as error:
            left_out.append(f"{inside}: {error}")
        except (OSError, EOFError) as error:
            if lack := lack_of(error):
                raise lack from error
            left_out.append(f"{inside}: cannot be opened, it seems damaged")
    groups: dict[str, list[_File]] = defaultdict(list)
    for number, file in enumerate(found):
        for other in found if file.is_ascii else []:
            # A month without an umlaut is written like those with one.
            encoding = other.options.get("encoding", "utf-8")
            if other.pattern == file.pattern and not encoding.startswith("utf"):
                file.options["encoding"] = encoding
        try:
            file.fetched = _fetch(connection, file, workspace / f"{number:05}")
            groups[f"{file.pattern} {file.options}"].append(file)
        except DeliveryError as error:
            left_out.append(f"{file.inside}: {error}")
    deliveries: list[TableFiles] = []
    for together in itertools.chain(*map(_of_one_shape, groups.values())):
        try:
            name = f"table_{len(deliveries) + 1}"
            deliveries.append(_delivery(connection, together, name))
        except DeliveryError as error:
            names = ", ".join(file.inside for file in together)
            left_out.append(f"{names}: {error}")
    _name_apart(deliveries, folder)
    return (
        sorted(deliveries, key=lambda each: each.name),
        sorted(map(one_line, left_out)),
    )


# --- dialects -------------------------------------------------------------------------


def _examined(
    connection: DuckDBPyConnection, path: Path, inside: str, workspace: Path
) -> Iterator[_File]:
    """The file with its dialect; a workbook of several sheets as one file per sheet."""
    members = list(unpack(Member(inside, path.name, path, is_ours=False), workspace))
    kinds = sorted({member.suffix for member in members})
    if len(kinds) > 1:
        raise DeliveryError(f"it holds {', '.join(kinds)} files; unpack it")
    if kinds[0] in DELIMITED:
        yield _delimited(connection, path, inside, members[0], workspace / "sample")
    elif kinds[0] == ".parquet" or kinds[0] in JSON_LINES:
        yield _File(path, inside, {})
    elif kinds[0] in files.WORKBOOKS:
        for options in _sheets(members[0].path):
            above = options.get("skip_lines", "")
            doubts = [_ABOVE.format(above)] if above else []
            yield _File(path, inside, options, doubts)
    else:
        raise DeliveryError("no kind of file that Kith reads")
    for member in members:
        member.discard()


def _sheets(path: Path) -> list[dict[str, str]]:
    try:
        with path.open("rb") as stream:
            workbook = CalamineWorkbook.from_filelike(stream)
        filled = {
            sheet.name: _lines_above(content)
            for sheet in workbook.sheets_metadata
            if sheet.typ == SheetTypeEnum.WorkSheet
            and sheet.visible == SheetVisibleEnum.Visible
            and (content := workbook.get_sheet_by_name(sheet.name)).height > 1
        }
    except PasswordError:
        raise DeliveryError(
            "is protected by a password; have it delivered without"
        ) from None
    except CalamineError:
        raise DeliveryError("no workbook, or a damaged one") from None
    if not filled:
        raise DeliveryError("no sheet has rows below a header")
    is_one = len(workbook.sheets_metadata) == 1
    return [
        ({} if is_one else {"sheet": name})
        | ({"skip_lines": str(above)} if above else {})
        for name, above in filled.items()
    ]


def _lines_above(sheet: CalamineSheet) -> int:
    """Count the lines above the first one that names each column; 0 where none does.

    A line above has less than half as many cells: a title, a day, no row.
    """
    rows = sheet.to_python(skip_empty_area=False, nrows=_SHEET_SAMPLE)
    cells = [{x for x, cell in enumerate(row) if cell != ""} for row in rows]
    first = next((y for y, found in enumerate(cells) if found), 0)
    widest = 0
    for y, names in enumerate(cells[first : first + _HEADER_WITHIN], first):
        if (
            set().union(*cells[y:]) <= names
            and 2 * widest < len(names)
            and all(isinstance(rows[y][x], str) for x in names)
            and any(cells[y + 1 :])
        ):
            return y if y > first else 0
        widest = max(widest, len(names))
    return 0


def _delimited(
    connection: DuckDBPyConnection,
    path: Path,
    inside: str,
    member: Member,
    sample: Path,
) -> _File:
    encoding, doubts = _encoding(member.path)
    with member.path.open(encoding=encoding, errors="ignore", newline="") as stream:
        start = stream.read(_SAMPLE_CHARACTERS).removeprefix("\ufeff")
    lines = start.splitlines(keepends=True)
    if len(start) == _SAMPLE_CHARACTERS and len(lines) > 1:
        lines.pop()
    if not start.strip():
        raise DeliveryError(_EMPTY)
    sample.write_text("".join(lines), encoding="utf-8", newline="")
    delimiter, quote_sign, skipped = _sniffed(connection, sample, lines)
    options = {}
    if skipped:
        options["skip_lines"] = str(skipped)
        doubts.append(_ABOVE.format(skipped))
    if delimiter != DELIMITED[member.suffix]:
        options["delimiter"] = delimiter
    if quote_sign != '"':
        options["quote"] = quote_sign
    if encoding not in ("ascii", "utf-8"):
        options["encoding"] = encoding
    return _File(path, inside, options, doubts, is_ascii=encoding == "ascii")


def _encoding(path: Path) -> tuple[str, list[str]]:
    """Encoding in which every byte of the file can be read, and what is doubtful."""
    with path.open("rb") as stream:
        start = stream.read(1 << 16)
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16", []
        if start[1::2].count(0) > len(start) / 4:
            return "utf-16-le", ["no byte order mark; read as utf-16-le (Windows)"]
        for encoding in ("ascii", "utf-8"):
            if _can_be_read(path, encoding):
                return encoding, []
        # Of a file in English with three accents only their lines tell anything.
        lines = (line for line in (start, *stream) if not line.isascii())
        foreign = b"".join(itertools.islice(lines, 1000))
    likely = [
        (guess["confidence"], codecs.lookup(guess["encoding"]).name)
        for guess in chardet.detect_all(foreign, encoding_era=EncodingEra.MODERN_WEB)
        if guess["encoding"]
    ]
    # Those of eastern and western Europe differ in few letters only.
    likely.sort(key=lambda one: one[0] * (1 + (one[1] == "cp1252")), reverse=True)
    names = [*(name for _, name in likely), "cp1252", "latin-1"]
    best = next(name for name in names if _can_be_read(path, name))
    others = [name for name in names if name != best]
    return best, [
        f"not UTF-8; read as {best}, by the look of its letters; if words look wrong, "
        f"set options.encoding, e.g. {' or '.join(others[:2])}"
    ]


def _can_be_read(path: Path, encoding: str) -> bool:
    try:
        with path.open(encoding=encoding, newline="") as stream:
            while stream.read(_SAMPLE_CHARACTERS):
                pass
    except UnicodeError:
        return False
    return True


def _sniffed(
    connection: DuckDBPyConnection, sample: Path, lines: list[str]
) -> tuple[str, str, int]:
    """Delimiter, quote sign and lines above the header, by DuckDB's sniffer."""
    header = _first_row(lines)
    likely = sorted(_DELIMITERS, key=lambda sign: -header.count(sign))[:3]
    is_divided = likely[0] in header or "  " in header
    if len(lines) == 1:
        return likely[0] if likely[0] in header else ",", '"', 0
    given = [f", delim = {literal(sign)}" for sign in likely]
    if lines[-1].endswith("\r\n"):
        # Excel breaks a line within a cell otherwise, at which DuckDB gives up.
        given.insert(0, ", new_line = '\\r\\n'")
    for more in ("", ", ignore_errors = true", *given):
        try:
            delimiter, quote_sign, skipped, count = fetch_row(
                connection,
                "select Delimiter, Quote, SkipRows, len(Columns) from sniff_csv("
                f"{literal(str(sample))}, all_varchar = true, header = true{more})",
            )
        except duckdb.Error:
            continue
        if count > 1 or not is_divided:
            # A sample without quotes shows nothing of them: the usual sign holds.
            return delimiter, quote_sign if quote_sign == "'" else '"', skipped
    if is_divided:
        raise DeliveryError(
            "no delimiter divides its lines into equal numbers of fields; save it with "
            "commas, semicolons or tabs between them"
        )
    return ",", '"', 0


def _first_row(lines: list[str]) -> str:
    """The first row, of several lines where a name in quotes has line breaks."""
    row = ""
    for line in lines[:_HEADER_WITHIN]:
        row += line
        if row.count('"') % 2 == 0:
            return row.strip()
    return lines[0].strip()


def _fetch(connection: DuckDBPyConnection, file: _File, place: Path) -> list[Fetched]:
    """The rows of one file, as the connector reads them in a run."""
    place.mkdir()
    path = literal_path(file.path.name)
    rules = TableRules(connector="files", path=path, options=file.options)
    request = FetchRequest(
        table=SourceTable(source="files", name="rows", rules=rules, columns=[]),
        company_folder=file.path.parent,
        time_zone="UTC",
        window=_ALWAYS,
        past=None,
        workspace=place,
        duckdb=connection,
        find_connection=environment_connection,
    )
    try:
        fetched = files.fetch(request)
    except DeliveryError as error:
        told = str(error).replace("; expected the header ;", ";")
        # No table has been written whose options could be set.
        told = re.sub(
            r"set options\.skip_lines in sources\.yml to the number of lines above the "
            r"header( \(\d+\))?, or have them removed",
            "have the lines above the header removed",
            told,
        )
        told = told.removeprefix("files.rows: ").removeprefix(f"{file.path.name}: ")
        raise DeliveryError(told) from None
    names = [name for each in fetched for name in each.columns]
    if not names:
        raise DeliveryError(_EMPTY)
    if sum(bool(_VALUE.fullmatch(name)) for name in names) * 2 >= len(names):
        # Not as a guess with a doubt: values would become names in sources.yml.
        raise DeliveryError(
            "the first line holds values, no names of columns; add them"
        )
    return fetched


# --- groups ---------------------------------------------------------------------------


def _of_one_shape(alike: list[_File]) -> list[list[_File]]:
    """Divide files of one name pattern into those whose columns are akin."""

    def are_akin(group: list[_File], file: _File) -> bool:
        return any(
            len(file.names & other.names)
            >= _SHARED_COLUMNS * len(file.names | other.names)
            for other in group
        )

    groups: list[list[_File]] = []
    for file in alike:
        akin = [group for group in groups if are_akin(group, file)]
        groups = [group for group in groups if group not in akin]
        groups.append([*itertools.chain(*akin), file])
    return groups


def _pattern(paths: list[Path]) -> str:
    """Path with wildcards that matches these files and no other.

    Raises DeliveryError naming a file that stands in the way of one.
    """
    parts = [re.split(r"(\d+)", path.name) for path in paths]
    varying = {
        place
        for place in range(1, len(parts[0]), 2)
        if len({part[place] for part in parts}) > 1
        or re.fullmatch(r"(19|20)\d\d(\d\d){0,2}", parts[0][place])
    }
    matching: list[Path] = []
    for wildcard in ("*", "[0-9]*", None):
        name = "".join(
            wildcard or _signs([each[place] for each in parts])
            if place in varying
            else literal_path(part)
            for place, part in enumerate(parts[0])
        )
        # What stands between the numbers of one date is part of it.
        name = re.sub(r"\*(?:[-_.]?(?:\d{1,2}|\*))+(?=[^\d*])", "*", name)
        matching = sorted(paths[0].parent.glob(name))
        if matching == sorted(paths):
            break
    else:
        if len(paths) > 1:
            others = [path.name for path in matching if path not in paths]
            raise DeliveryError(
                f"no path with wildcards means these {len(paths)} files and not "
                f"{', '.join(others[:3])}; give them a folder of their own"
            )
        name = literal_path(paths[0].name)
    return f"{literal_path(str(paths[0].parent))}/{name}"


def _signs(parts: list[str]) -> str:
    """Wildcards for the digits that these parts of names have, and for no others."""
    places = [
        "".join(sorted(set(signs)))
        for signs in itertools.zip_longest(*parts, fillvalue="")
    ]
    return "".join(f"[{signs}]" if signs[1:] else signs for signs in places)


def plain_name(name: str) -> str:
    """A delivered name as an SQL name: lower case, digits, underscores."""
    plain = re.sub(r"\W+", "_", name.strip().lower()).strip("_")
    if not plain or plain in _OWN_COLUMNS or not plain[0].isalpha():
        plain = f"delivered_{plain}" if plain else "column"
    return plain


def _columns(delivered: list[list[str]]) -> dict[str, list[str]]:
    """The names that columns will have, each with its names in the files."""
    columns: dict[str, list[str]] = {}
    of_files = [{name.lower() for name in names} for names in delivered]
    spelt: dict[str, str] = {}
    for original in itertools.chain(*delivered):
        spelt.setdefault(original.lower(), original)
    for lower, original in spelt.items():
        name = plain_name(original)
        # Two names of one file are two columns; of two files they may be one.
        while any(
            {lower, known.lower()} <= names
            for known in columns.get(name, [])
            for names in of_files
        ):
            name += "_2"
        columns.setdefault(name, []).append(original)
    return columns


def _delivery(
    connection: DuckDBPyConnection, together: list[_File], view: str
) -> TableFiles:
    together = sorted(together, key=lambda file: file.path)
    paths = [file.path for file in together]
    fetched = [(file.path.name, each) for file in together for each in file.fetched]
    rows = sum(each.rows for _, each in fetched)
    if not rows:
        raise DeliveryError("no rows below a header")
    columns = _columns([list(each.columns) for _, each in fetched])
    missing: dict[str, set[str]] = defaultdict(set)
    for (file, each), name in itertools.product(fetched, columns):
        if not set(map(str.lower, columns[name])) & set(map(str.lower, each.columns)):
            missing[name].add(file)
    doubts = sorted({doubt for file in together for doubt in file.doubts})
    if rejects := sum(each.reject_count for _, each in fetched):
        doubts.append(
            f"lines that cannot be read and go to quarantine: {rejects}; if they are "
            "many, look at options.delimiter, quote and encoding"
        )
    if any(_NO_NAME.fullmatch(name) for _, each in fetched for name in each.columns):
        doubts.append(
            "its first line, taken for names of columns, holds a number or a gap; if "
            "it is a row or a title, have a header put in its place"
        )
    if missing:
        doubts.append(
            f"{len(missing)} of {len(columns)} columns are not in all of its "
            f"{len(paths)} files; a file that lacks one gives NULL and a warning"
        )
    parquet = parquet_sql(
        *(each.path for _, each in fetched),
        union_by_name="true",
        filename="'_kith_path'",
        file_row_number="true",
    )
    totals, is_row = _totals(connection, parquet, [each for _, each in fetched])
    if totals:
        rows -= totals
        doubts.append(
            f"{NUMBERS}{totals} lines are totals of those above: nothing is guessed "
            "from them, and they go to quarantine as total_line"
        )
    if not rows:
        raise DeliveryError("no rows below a header")
    origins = ", ".join(
        f"{literal(str(each.path))}: {literal(file)}" for file, each in fetched
    )
    delivered = keep(
        connection,
        view,
        f"select columns(name -> name not like '\\_kith\\_%' escape '\\' "
        "and name <> 'file_row_number'), "
        f"map {{{origins}}}[_kith_path] as _kith_file from {parquet} where {is_row}",
        rows * len(columns),
    )
    sheet = together[0].options.get("sheet", "")
    path = _pattern(paths)
    if len(paths) > 1 and "*" not in path:
        doubts.append(
            f"{NUMBERS}path means these files and none to come, since a wildcard would "
            "mean one that was left out; have that one mended or removed"
        )
    return TableFiles(
        name=_table_name(paths[0], sheet),
        files=paths,
        path=path,
        options=together[0].options,
        delivered=delivered,
        rows=rows,
        columns=columns,
        missing=missing,
        doubts=doubts,
    )


def _totals(
    connection: DuckDBPyConnection, parquet: str, fetched: list[Fetched]
) -> tuple[int, str]:
    """Count the lines of totals, as the door knows them; SQL of all other rows."""
    described = connection.execute(f"describe from {parquet}").fetchall()
    columns = {name: kind for name, kind, *_ in described if not is_own(name)}
    rules = TableRules(connector="files", path="rows")
    table = SourceTable(source="files", name="rows", rules=rules, columns=[])
    sizes = ", ".join(f"{literal(str(each.path))}: {each.rows}" for each in fetched)
    is_last = f"map {{{sizes}}}[_kith_path] = file_row_number + 1"
    conditions = [each.condition for each in total_line(table, columns, is_last)]
    is_total = f"coalesce({' or '.join(conditions) or 'false'}, false)"
    (count,) = fetch_row(
        connection, f"select count(*) filter (where {is_total}) from {parquet}"
    )
    return count, f"not {is_total}"


def _slug(text: str) -> str:
    return slugify(text, separator="_")


def _table_name(path: Path, sheet: str) -> str:
    words = _slug(re.sub(r"\d+", " ", path.name.split(".")[0]))
    name = "_".join(filter(None, [words or _slug(path.parent.name), _slug(sheet)]))
    return name if name[:1].isalpha() else f"table_{name}"


def _name_apart(deliveries: list[TableFiles], folder: Path) -> None:
    """Give tables of equal names the name of their folder, then a number."""
    shapes: dict[frozenset[str], str] = {}
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
    for delivery in deliveries:
        first = shapes.setdefault(frozenset(delivery.columns), delivery.name)
        if first != delivery.name:
            delivery.doubts.append(
                f"has the columns of {first}; if both are one table, give their files "
                "one folder, and names that differ in numbers only"
            )
