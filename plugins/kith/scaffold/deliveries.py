"""A stranger's folder as tables: which files belong together, how to read them.

Rows are fetched by the connector that will fetch them in each run, so that what is
seen here is what will be delivered.
"""

import csv
import datetime as dt
import glob
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
from python_calamine import (
    CalamineError,
    CalamineWorkbook,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from kith.company import SourceTable, TableRules
from kith.connections import environment_connection
from kith.connectors import Fetched, Request, files
from kith.connectors.packed import Part, unpack
from kith.connectors.text_files import DELIMITED, JSON_LINES
from kith.database import fetch_row, literal, quote
from kith.errors import DeliveryError
from kith.runs import Interval

_DELIMITERS = [",", ";", "\t", "|", ":", "^", "~", "\x01", "\x1f"]
_SAMPLE_BYTES = 2 << 20
_LONG_AGO, _FAR_AWAY = dt.date(1900, 1, 1), dt.date(2200, 1, 1)
# Files of one name pattern are one table as long as they share this much of their
# columns with another one of them: a survey changes every year and is still the same.
_SHARED_COLUMNS = 0.1
_CELLS_IN_MEMORY = 20_000_000
_OWN_COLUMNS = {"loaded_at", "row_key"}


class _Unreadable(Exception):
    """Why a file is left out."""


@dataclass(frozen=True)
class _Dialect:
    """How a file is read: `options` as in sources.yml, and what is doubtful of it."""

    options: tuple[tuple[str, str], ...] = ()
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class _File:
    """A file, or a sheet of one; `names` are those of its header, if it is text."""

    path: Path
    dialect: _Dialect = _Dialect()
    names: frozenset[str] = frozenset()


@dataclass
class Delivery:
    """Files that are one table, with all of their rows in DuckDB.

    `view` holds them, a temporary table or view, as `kind` says.

    `columns` maps a column's name to its names in the files; `types` to the type that
    the files themselves give it. `places` are the Parquet files of the rows, one per
    delivered file.
    """

    name: str
    files: list[Path]
    path: str
    options: dict[str, str]
    view: str
    kind: str
    rows: int
    columns: dict[str, list[str]]
    types: dict[str, str]
    places: list[Path]
    missing: dict[str, list[str]] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Folder:
    """What a folder holds: tables, and files that were left out with the reason."""

    deliveries: list[Delivery]
    left_out: list[str]


def read_folder(
    connection: duckdb.DuckDBPyConnection, folder: Path, workspace: Path
) -> Folder:
    """Group the files below a folder into tables and fetch all of their rows."""
    groups: dict[tuple[str, _Dialect], list[_File]] = defaultdict(list)
    left_out = []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if not path.is_file() or any(part.startswith(".") for part in inside.parts):
            continue
        try:
            for file in _examined(connection, path, workspace):
                groups[re.sub(r"\d+", "#", str(inside)), file.dialect].append(file)
        except (_Unreadable, DeliveryError) as reason:
            left_out.append(f"{inside}: {reason}")
        except (OSError, EOFError):
            left_out.append(f"{inside}: cannot be opened, it seems damaged")
    deliveries: list[Delivery] = []
    for (_, dialect), alike in groups.items():
        for together in _of_one_shape(alike):
            try:
                delivery = _fetch(
                    connection, together, dialect, workspace, len(deliveries)
                )
            except DeliveryError as error:
                names = ", ".join(
                    str(file.path.relative_to(folder)) for file in together
                )
                left_out.append(f"{names}: {error}")
                continue
            deliveries.append(delivery)
    _name_apart(deliveries, folder)
    return Folder(sorted(deliveries, key=lambda each: each.name), left_out)


# --- dialects -------------------------------------------------------------------------


def _examined(
    connection: duckdb.DuckDBPyConnection, path: Path, workspace: Path
) -> list[_File]:
    """The file with its dialect; a workbook of several sheets as one file per sheet."""
    with tempfile.TemporaryDirectory(dir=workspace) as unpacked:
        part = Part(path.name, path.name, path, is_ours=False)
        members = list(unpack(part, Path(unpacked)))
        kinds = {member.suffix for member in members}
        if len(kinds) > 1:
            raise _Unreadable("its members are of several kinds; unpack it")
        (kind,) = kinds
        if kind in DELIMITED:
            usual, sample = DELIMITED[kind], Path(unpacked) / "sample"
            return [_delimited(connection, path, members[0].path, usual, sample)]
        if kind == ".parquet" or kind in JSON_LINES:
            return [_File(path)]
        return [_File(path, dialect) for dialect in _sheets(members[0].path)]


def _sheets(path: Path) -> list[_Dialect]:
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
        raise _Unreadable("no kind of file that Kith reads") from None
    if not filled:
        raise _Unreadable("no sheet has rows below a header")
    if len(workbook.sheets_metadata) == 1:
        return [_Dialect()]
    return [_Dialect((("sheet", sheet),)) for sheet in filled]


def _delimited(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    content: Path,
    usual: str,
    sample: Path,
) -> _File:
    encoding, doubt = _encoding(content)
    with content.open("rb") as stream:
        start = stream.read(_SAMPLE_BYTES)
    text = start.decode(encoding, errors="ignore").removeprefix("\ufeff")
    lines = text.splitlines(keepends=True)
    if len(start) == _SAMPLE_BYTES and len(lines) > 1:
        lines.pop()
    if len(lines) < 2:
        raise _Unreadable("no rows below a header")
    sample.write_text("".join(lines), encoding="utf-8", newline="")
    delimiter, quote_sign = _sniffed(connection, sample, lines)
    names = _header(lines[0], delimiter, quote_sign)
    options = {}
    if delimiter != usual:
        options["delimiter"] = delimiter
    if quote_sign != '"':
        options["quote"] = quote_sign
    if encoding != "utf-8":
        options["encoding"] = encoding
    dialect = _Dialect(tuple(options.items()), (doubt,) if doubt else ())
    return _File(path, dialect, frozenset(map(_plain, names)))


def _encoding(path: Path) -> tuple[str, str | None]:
    """Encoding in which every byte of the file can be read, and what is doubtful."""
    with path.open("rb") as stream:
        mark = stream.read(4)
    if mark.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16", None
    if _can_be_read(path, "utf-8"):
        return "utf-8", None
    with path.open("rb") as stream:
        start = stream.read(_SAMPLE_BYTES)
    runs = re.findall(rb"[\x80-\xff]+", start)
    paired = sum(len(run) % 2 == 0 for run in runs)
    if runs and paired >= 0.9 * len(runs) and _can_be_read(path, "gb18030"):
        return "gb18030", (
            "not UTF-8; read as gb18030 (Chinese), since high bytes come in pairs; "
            "if words look wrong, set options.encoding, e.g. big5 or cp1252"
        )
    encoding = "cp1252" if _can_be_read(path, "cp1252") else "latin-1"
    return encoding, (
        f"not UTF-8; read as {encoding} (western Europe); if accents look wrong, set "
        "options.encoding, e.g. cp1250 or cp1251"
    )


def _can_be_read(path: Path, encoding: str) -> bool:
    try:
        with path.open(encoding=encoding, newline="") as stream:
            while stream.read(_SAMPLE_BYTES):
                pass
    except UnicodeDecodeError:
        return False
    return True


def _sniffed(
    connection: duckdb.DuckDBPyConnection, sample: Path, lines: list[str]
) -> tuple[str, str]:
    """Delimiter and quote sign, by DuckDB's sniffer."""
    is_divided = any(sign in lines[0].strip() for sign in [*_DELIMITERS, "  "])
    likely = sorted(_DELIMITERS, key=lambda sign: -lines[0].count(sign))
    for given in ("", *(f", delim = {literal(sign)}" for sign in likely[:3])):
        try:
            sniffed = connection.execute(
                f"select Delimiter, Quote, SkipRows, len(Columns) from sniff_csv("
                f"{literal(str(sample))}, all_varchar = true, header = true{given})"
            ).fetchone()
        except duckdb.Error:
            continue
        if sniffed is None or (sniffed[3] == 1 and is_divided):
            continue
        delimiter, quote_sign, skipped, _ = sniffed
        if skipped:
            raise _Unreadable(
                f"{skipped} lines stand before the header; have them removed"
            )
        # A sample without quotes shows nothing of them: the usual sign holds.
        return delimiter, quote_sign if quote_sign in ("'",) else '"'
    if is_divided:
        raise _Unreadable("no delimiter divides its lines into equal numbers of fields")
    return ",", '"'


def _header(line: str, delimiter: str, quote_sign: str) -> list[str]:
    """Names in the first line; raises where it seems to hold values."""
    header = next(csv.reader([line], delimiter=delimiter, quotechar=quote_sign), [])
    names = [name.strip() for name in header]
    is_data = sum(
        bool(re.fullmatch(r"[+-]?[\d.,:/\s-]+|.*@.*\..*", name)) for name in names
    )
    if not any(names) or is_data * 2 >= len(names):
        # Not as a guess with a doubt: values would become names in sources.yml.
        raise _Unreadable("the first line holds values, no names of columns; add them")
    return names


# --- groups ---------------------------------------------------------------------------


def _of_one_shape(files: list[_File]) -> list[list[_File]]:
    """Divide files of one name pattern into those whose columns are akin."""
    groups: list[list[_File]] = []
    for file in files:
        akin = [
            group
            for group in groups
            if any(
                len(file.names & other.names)
                >= _SHARED_COLUMNS * len(file.names | other.names)
                for other in group
            )
        ]
        groups = [group for group in groups if group not in akin]
        groups.append([*(one for group in akin for one in group), file])
    return [sorted(group, key=lambda file: file.path) for group in groups]


def _pattern(paths: list[Path]) -> str | None:
    """Path with wildcards that matches these files and no other; None without one."""
    folder = glob.escape(str(paths[0].parent))
    parts = [re.split(r"(\d+)", path.name) for path in paths]
    varying = {
        place
        for place in range(1, len(parts[0]), 2)
        if len({part[place] for part in parts}) > 1
        or (len(parts[0][place]) in (4, 6, 8) and parts[0][place][:2] in ("19", "20"))
    }
    if not varying:
        return f"{folder}/{glob.escape(paths[0].name)}"

    def filled(wildcard: str) -> str:
        name = "".join(
            (wildcard if place in varying else glob.escape(part))
            for place, part in enumerate(parts[0])
        )
        # What stands between the numbers of one date is part of it.
        return re.sub(r"\*(?:[-_.]?(?:\d{1,2}|\*))+(?=[^\d*])", "*", name)

    for wildcard in ("*", "[0-9]*"):
        name = filled(wildcard)
        if sorted(paths[0].parent.glob(name)) == paths:
            return f"{folder}/{name}"
    return f"{folder}/{glob.escape(paths[0].name)}" if len(paths) == 1 else None


def _plain(name: str) -> str:
    """A delivered name as an SQL name: lower case, digits, underscores."""
    plain = re.sub(r"\W+", "_", name.strip().lower().lstrip("\ufeff")).strip("_")
    if not plain or plain in _OWN_COLUMNS or not plain[0].isalpha():
        plain = f"delivered_{plain}" if plain else "column"
    return plain


def _fetch(
    connection: duckdb.DuckDBPyConnection,
    together: list[_File],
    dialect: _Dialect,
    workspace: Path,
    number: int,
) -> Delivery:
    options = dict(dialect.options)
    paths = [file.path for file in together]
    pattern = _pattern(paths)
    if pattern is None:
        raise DeliveryError(
            "names differ in numbers only, but no path with wildcards means these "
            "files alone; give them a folder of their own"
        )
    place = workspace / f"table_{number:04}"
    place.mkdir()
    table = SourceTable(
        source="scaffold",
        name=f"table_{number}",
        rules=TableRules(connector="files", path=pattern, options=options),
        columns=[],
    )
    fetched = files.fetch(
        Request(
            table=table,
            company_folder=paths[0].parent,
            time_zone="UTC",
            window=Interval(_LONG_AGO, _FAR_AWAY),
            past=None,
            workspace=place,
            duckdb=connection,
            find_connection=environment_connection,
        )
    )
    doubts = list(dialect.doubts)
    rejects = sum(each.reject_count for each in fetched)
    if rejects:
        doubts.append(
            f"{rejects} lines cannot be read and go to quarantine; if they are many, "
            "look at options.delimiter, quote and encoding"
        )
    view = f"table_{number:04}"
    cells = sum(each.rows * len(each.columns) for each in fetched)
    kind = "table" if cells <= _CELLS_IN_MEMORY else "view"
    columns, types, missing = _create_view(connection, kind, view, fetched, paths)
    (rows,) = fetch_row(connection, f"select count(*) from {view}")
    if not columns:
        raise DeliveryError("no column was found")
    return Delivery(
        name=_table_name(paths, options.get("sheet")),
        files=paths,
        path=pattern,
        options=options,
        view=view,
        kind=kind,
        rows=rows,
        columns=columns,
        types=types,
        places=[each.path for each in fetched],
        missing=missing,
        doubts=doubts,
    )


def _create_view(
    connection: duckdb.DuckDBPyConnection,
    kind: str,
    view: str,
    fetched: list[Fetched],
    paths: list[Path],
) -> tuple[dict[str, list[str]], dict[str, str], dict[str, list[str]]]:
    """The columns of all files side by side, each under one plain name."""
    columns: dict[str, list[str]] = {}
    seen: dict[str, str] = {}
    for each in fetched:
        taken = set()
        for delivered in each.columns:
            name = seen.get(delivered.lower())
            if name is None:
                name = _plain(delivered)
                while name in taken or (name in columns and name in taken):
                    name += "_2"
                seen[delivered.lower()] = name
            taken.add(name)
            known = columns.setdefault(name, [])
            if delivered.lower() not in (one.lower() for one in known):
                known.append(delivered)
    missing: dict[str, list[str]] = {}
    for each, path in zip(fetched, _repeated(paths, len(fetched)), strict=True):
        present = {seen[delivered.lower()] for delivered in each.columns}
        for name in columns:
            if name not in present:
                missing.setdefault(name, []).append(path.name)
    listed = ", ".join(literal(str(each.path)) for each in fetched)
    rows = f"read_parquet([{listed}], union_by_name = true, filename = '_kith_file')"
    chosen = ", ".join(
        f"coalesce({', '.join(map(quote, names))}) as {quote(name)}"
        for name, names in columns.items()
    )
    # As a table it answers a hundred questions faster, but must fit into memory.
    connection.execute(
        f"create temp {kind} {view} as select {chosen or 'null'}, _kith_file "
        f"from {rows}"
    )
    described = connection.execute(f"describe select * from {view}").fetchall()
    types = {row[0]: row[1] for row in described if row[0] in columns}
    return columns, types, missing


def _repeated(paths: list[Path], count: int) -> Iterable[Path]:
    # An archive gives several origins.
    return paths if len(paths) == count else [paths[0]] * count


def _table_name(paths: list[Path], sheet: str | None) -> str:
    stem = paths[0].name.split(".")[0]
    words = re.sub(r"\d+", " ", stem)
    if not re.search(r"[A-Za-z]", words):
        words = paths[0].parent.name
    name = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_") or "rows"
    if sheet:
        name += "_" + re.sub(r"[^a-z0-9]+", "_", sheet.lower()).strip("_")
    return name if name[0].isalpha() else f"table_{name}"


def _name_apart(deliveries: list[Delivery], folder: Path) -> None:
    """Give tables of equal names the name of their folder, then a number."""
    for tell in ("folder", "number"):
        names = defaultdict(list)
        for delivery in deliveries:
            names[delivery.name].append(delivery)
        for name, group in names.items():
            if len(group) == 1:
                continue
            for number, delivery in enumerate(group, 1):
                inside = delivery.files[0].parent.relative_to(folder).parts
                prefix = re.sub(r"[^a-z0-9]+", "_", "_".join(inside).lower())
                if tell == "number":
                    delivery.name = f"{name}_{number}"
                elif prefix and prefix[0].isalpha():
                    delivery.name = f"{prefix}_{name}"
