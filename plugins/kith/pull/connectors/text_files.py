"""Text: delimited lines (CSV, TSV …) and lines of JSON, every value as text.

No dialect is guessed: a guess that changes with the data is a fault that shows up
months later. Lines that cannot be read are collected in a table `rejects` of the
request's DuckDB connection.
"""

import codecs
import csv
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import duckdb

from kith.company.tables import SourceTable
from kith.database import fetch_row, file_literal, literal, parquet_sql, write_parquet
from kith.deliveries.columns import ROW_NUMBER, checked_names, columns_by_name
from kith.errors import ConfigurationError, DeliveryError
from kith.pull.connectors.json_texts import KEYS, read_line, row_as_text, unfold
from kith.pull.connectors.packed import Member
from kith.pull.connectors.request import FetchRequest

# Delimiter of each kind of delimited file, unless `options` declares another.
DELIMITED = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": ""}
JSON_LINES = (".jsonl", ".ndjson")
_CHUNK_BYTES = 1 << 18
# Control characters other than ends of lines, and in UTF-8: further ones, the white
# space of typography, and what stands for bytes that could not be read.
_ODD_BYTES = bytes(sign for sign in (*range(0x20), 0x7F) if sign not in b"\n\r")
_ODD_SIGNS = [
    re.compile(pattern)
    for pattern in (
        b"\xc2[\x80-\xa0]",
        b"\xe2\x80[\x82-\x8b\xa8\xa9\xaf]",
        b"\xe2\x81[\x9f\xa0]",
        b"\xe3\x80\x80",
        b"\xef(\xbb\xbf|\xbf\xbd)",
    )
]
_NEVER_IN_JSON = b"\x01"
# With a last 0 or an exponent, very small, or of more digits than a float holds. Where
# it is met within text, no more than time is lost.
_INEXACT_NUMBER = (
    r"[:,\[]\s*-?"
    r"(\d+\.\d*\d0\s*[,}\]]|\d+(\.\d+)?[eE]|0\.0000|[\d.]{17,}\s*[,}\]])"
)


def _as_utf8(table: SourceTable, member: Member, workspace: Path) -> Member:
    """The file itself, or a copy in UTF-8 where another encoding is declared.

    Bytes that the encoding does not know pass as they are, so that only their lines
    are rejected.
    """
    encoding = table.rules.options.get("encoding", "utf-8")
    if codecs.lookup(encoding).name == "utf-8":
        return member
    with (
        member.path.open(
            encoding=encoding, errors="surrogateescape", newline=""
        ) as source,
        tempfile.NamedTemporaryFile(
            "w",
            encoding="utf-8",
            errors="surrogateescape",
            newline="",
            dir=workspace,
            delete=False,
        ) as target,
    ):
        shutil.copyfileobj(source, target, 1 << 20)
    member.discard()
    return Member(member.origin, member.suffix, Path(target.name), is_ours=True)


def _header(
    table: SourceTable, where: str, member: Member, dialect: dict[str, str]
) -> list[str]:
    quote_sign, escape = dialect["quote"], dialect["escape"]
    expected = f"expected the columns {', '.join(each.name for each in table.columns)}"
    # What is not UTF-8 passes, since the fault of a later line is not the header's.
    with member.path.open(
        encoding="utf-8-sig", errors="surrogateescape", newline=""
    ) as lines:
        reader = csv.reader(
            lines,
            delimiter=dialect["delimiter"],
            quotechar=quote_sign or None,
            quoting=csv.QUOTE_MINIMAL if quote_sign else csv.QUOTE_NONE,
            doublequote=escape == quote_sign,
            escapechar=None if escape == quote_sign else escape,
            strict=True,
        )
        try:
            header = next(reader, None)
            if header == [] and any(reader):
                raise DeliveryError(
                    f"{where}: line 1 is empty; {expected} there; have the lines above "
                    "the header removed"
                )
        except csv.Error as error:
            raise DeliveryError(
                f"{where}: the header cannot be read ({error}), as with a quote that "
                f"is not closed; {expected}; check `options` in sources.yml, or have "
                "it delivered again"
            ) from None
    if not header:
        raise DeliveryError(
            f"{where}: the file is empty, not even a header was found; {expected}; "
            "have it delivered again"
        )
    try:
        "".join(header).encode(errors="surrogateescape").decode()
    except UnicodeDecodeError as error:
        raise DeliveryError(
            f"{where}: line 1 is not "
            f"{table.rules.options.get('encoding', 'utf-8')} ({error}); set "
            "options.encoding in sources.yml to the file's encoding, e.g. cp1252 "
            "(Windows)"
        ) from None
    return checked_names(
        table,
        where,
        [name.strip() or f"column_{number}" for number, name in enumerate(header, 1)],
    )


def _read_csv(member: Member, columns: list[str], **options: str) -> str:
    kinds = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in columns)
    given = ", ".join(f"{name} = {value}" for name, value in options.items())
    return (
        f"read_csv({file_literal(member.path)}, columns = {{{kinds}}}, "
        "compression = 'none', auto_detect = false, hive_partitioning = false, "
        f"nullstr = '', {given})"
    )


_KEEP_REJECTS = {
    "store_rejects": "true",
    "rejects_limit": "0",
    "rejects_table": "'bad_lines'",
    "rejects_scan": "'bad_scans'",
}


def convert_delimited(
    request: FetchRequest, where: str, member: Member, target: Path
) -> bool:
    """Write delimited lines below a header to a Parquet file, in their order.

    Returns whether each value has to be looked at, see `Fetched.has_odd_signs`.
    """
    table, connection = request.table, request.duckdb
    dialect = {
        "delimiter": DELIMITED[member.suffix],
        "quote": '"',
        **table.rules.options,
    }
    if not dialect["delimiter"]:
        raise ConfigurationError(
            f"{where}: the delimiter of a {member.suffix} file is not known; set "
            "options.delimiter in sources.yml"
        )
    dialect.setdefault("escape", dialect["quote"])
    if dialect["delimiter"] in (dialect["quote"], dialect["escape"]):
        raise ConfigurationError(
            f"sources.yml: {table.full_name}: options: the delimiter "
            f"{dialect['delimiter']!r} is the sign of quotes or escapes as well; "
            "expected another"
        )
    member = _as_utf8(table, member, request.workspace)
    names = _header(table, where, member, dialect)
    with ThreadPoolExecutor(1) as beside:
        is_odd = beside.submit(_has_odd_signs, member.path)
        try:
            _write_lines(connection, member, names, dialect, target)
        except duckdb.InvalidInputException as error:
            if not _is_of_line_ends(error):
                raise
            is_odd.result()
            member = _with_equal_ends(member, dialect, request.workspace)
            try:
                _write_lines(connection, member, names, dialect, target)
            except duckdb.InvalidInputException as still:
                if not _is_of_line_ends(still):
                    raise
                raise DeliveryError(
                    f"{where}: a line is broken by a carriage return alone; expected "
                    "lines that end in \\n or \\r\\n, or all in \\r, and others "
                    "inside of quotes only; have it delivered again"
                ) from None
    if _collect_rejects(connection, header_lines=1):
        uncounted = target.rename(target.with_suffix(".uncounted"))
        numbered = (
            f"(select * exclude (file_row_number), file_row_number + 1 as {ROW_NUMBER} "
            f"from {parquet_sql(uncounted, file_row_number='true')})"
        )
        write_parquet(connection, _counting_rejects(numbered), target)
        uncounted.unlink()
    member.discard()
    return is_odd.result()


def _write_lines(
    connection: duckdb.DuckDBPyConnection,
    member: Member,
    names: list[str],
    dialect: dict[str, str],
    target: Path,
) -> None:
    rows = _read_csv(
        member,
        names,
        header="true",
        delim=literal(dialect["delimiter"]),
        quote=literal(dialect["quote"]),
        escape=literal(dialect["escape"]),
        **_KEEP_REJECTS,
    )
    # Without numbers of their own, since counting would bring all rows to one thread;
    # the order of the file tells them as long as no line is missing.
    write_parquet(connection, f"from {rows}", target)


def _is_of_line_ends(error: duckdb.Error) -> bool:
    return "state machine" in str(error)


def _with_equal_ends(
    member: Member, dialect: dict[str, str], workspace: Path
) -> Member:
    """A copy whose lines all end in a line feed, but for what stands in quotes.

    DuckDB reads strictly only what ends alike throughout, and what it reads otherwise
    loses surplus values.
    """
    quote_sign = dialect["quote"].encode()
    escaped = dialect["escape"].encode() + quote_sign
    is_quoted = False
    with (
        member.path.open("rb") as source,
        tempfile.NamedTemporaryFile(dir=workspace, delete=False) as target,
    ):
        for line in source:
            if quote_sign:
                signs = line.count(quote_sign)
                if dialect["escape"] != dialect["quote"]:
                    signs -= line.count(escaped)
                is_quoted ^= signs % 2 == 1
            if not is_quoted and line.endswith(b"\r\n"):
                line = line[:-2] + b"\n"
            target.write(line)
    member.discard()
    return replace(member, path=Path(target.name), is_ours=True)


def _has_odd_signs(path: Path) -> bool:
    """Whether each value of a text in UTF-8 has to be looked at."""
    return any(
        any(sign in chunk for sign in _ODD_BYTES)
        or any(sign.pattern[0] in chunk and sign.search(chunk) for sign in _ODD_SIGNS)
        for chunk in _chunks(path)
    )


def _chunks(path: Path) -> Iterator[bytes]:
    """What stands in a text behind its byte order mark; no sign is cut in two."""
    with path.open("rb", buffering=0) as text:
        chunk = text.read(_CHUNK_BYTES).removeprefix(codecs.BOM_UTF8)
        while chunk:
            yield chunk
            more = text.read(_CHUNK_BYTES)
            chunk = chunk[-2:] + more if more else b""


def convert_json_lines(
    request: FetchRequest, where: str, member: Member, target: Path
) -> None:
    """Write lines of JSON objects to a Parquet file; every key becomes a column."""
    connection = request.duckdb
    member = _as_utf8(request.table, member, request.workspace)
    is_cut = any(_NEVER_IN_JSON in chunk for chunk in _chunks(member.path))
    # Lines are read as text first, so that a malformed one is kept as it came. No
    # line of JSON holds the control character that serves as delimiter.
    dialect = {
        "header": "false",
        "delim": literal(_NEVER_IN_JSON.decode()),
        "quote": "''",
        "escape": "''",
        # Lenient towards ends of lines of several kinds, but only where nothing stands
        # behind a delimiter: it would be cut off.
        "strict_mode": str(is_cut).lower(),
    }
    # json_transform computes most numbers as floats. Lines with one that would come out
    # otherwise than it was written, or than it is declared, go through Python.
    is_inexact = f"regexp_matches(line, {literal(_INEXACT_NUMBER)})"
    if any(column.rules.decimal == "," for column in request.table.columns):
        is_inexact = "true"
    shapes = connection.execute(
        f"""
        select {KEYS} as keys, bool_or({is_inexact})
        from {_read_csv(member, ["line"], **dialect, **_KEEP_REJECTS)}
        where line is not null
        group by keys
        """
    ).fetchall()
    lines = (
        f"(select line, row_number() over () as {ROW_NUMBER} from "
        f"{_read_csv(member, ['line'], **dialect, ignore_errors='true')})"
    )
    if _collect_rejects(connection, header_lines=0):
        lines = f"({_counting_rejects(lines)})"
    line = "line"
    if any(inexact for _, inexact in shapes):
        connection.create_function(
            "line_as_text", _line_as_text(request.table), ["VARCHAR"], "VARCHAR"
        )
        line = f"case when {is_inexact} then line_as_text(line) else line end"
    unfold(request, where, [keys for keys, _ in shapes], lines, target, line)
    if line != "line":
        connection.remove_function("line_as_text")
    member.discard()


def _line_as_text(table: SourceTable) -> Callable[[str], str]:
    columns = columns_by_name(table)

    def as_text(line: str) -> str:
        try:
            return row_as_text(read_line(line), columns)
        except (ValueError, RecursionError):
            return line  # For DuckDB to judge.

    return as_text


def _collect_rejects(connection: duckdb.DuckDBPyConnection, header_lines: int) -> bool:
    """Move DuckDB's notes of unreadable lines to a table `rejects`, one row a line."""
    connection.execute(
        f"""
        create or replace temp table rejects as
        select
            cast(line as bigint) - {header_lines} as row_number,
            min(error_type || ': ' || error_message) as error,
            min(trim(csv_line, e'\\r\\n')) as text
        from bad_lines
        group by line;
        drop table bad_lines;
        drop table bad_scans;
        """
    )
    return fetch_row(connection, "select count(*) > 0 from rejects") == (True,)


def _counting_rejects(rows: str) -> str:
    """Row numbers as in the origin: rejected lines, which DuckDB skips, count too."""
    return f"""
        select numbered.* replace (
            numbered.{ROW_NUMBER} + coalesce(thresholds.rejected, 0) as {ROW_NUMBER}
        )
        from {rows} as numbered
        asof left join (
            select rows_before, max(rejected) as rejected
            from (
                select
                    row_number() over (order by rejects.row_number) as rejected,
                    rejects.row_number - rejected as rows_before
                from rejects
            )
            group by rows_before
        ) as thresholds
            on numbered.{ROW_NUMBER} > thresholds.rows_before
    """
