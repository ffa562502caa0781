"""Text: delimited lines (CSV, TSV …) and lines of JSON, every value as text.

No dialect is guessed: a guess that changes with the data is a fault that shows up
months later. Lines that cannot be read are collected in a table `rejects` of the
request's DuckDB connection.
"""

import codecs
import csv
import itertools
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from kith.company.tables import SourceTable
from kith.database import (
    fetch_row,
    file_literal,
    literal,
    parquet_sql,
    quote,
    write_parquet,
)
from kith.deliveries.columns import (
    ROW_NUMBER,
    checked_names,
    columns_by_name,
    shown_names,
)
from kith.errors import ConfigurationError, DeliveryError
from kith.pull.connectors.held_rows import (
    find_held_rows,
    known_forms,
    line_of,
    lines_hold_row,
)
from kith.pull.connectors.json_texts import KEYS, read_line, row_as_text, unfold
from kith.pull.connectors.landing import columns_of
from kith.pull.connectors.packed import Member
from kith.pull.connectors.request import FetchRequest

# Delimiter of each kind of delimited file, unless `options` declares another.
DELIMITED = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": ""}
JSON_LINES = (".jsonl", ".ndjson")
_CHUNK_BYTES = 1 << 18
_SHOWN_OF_ENCODING = 1 << 10
# In this order, since that of UTF-32 begins like that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Encodings in which Latin letters have bytes that are 0.
_WIDE = ("utf-16", "utf-32")
# Lines above a header among which it is looked for.
_LINES_ABOVE = 20
# Rows whose last values are of one form, above which another form is no accident.
_ROWS_OF_ONE_FORM = 20
# DuckDB reads no longer one.
_LONGEST_LINE = 1 << 21
# How much of an unreadable line DuckDB hands over.
_SHOWN_OF_A_LINE = 10_000
# What may stand behind the last row without being one.
_BLANK = b" \t\x1a\0"
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
# With a last 0 or an exponent, very small, or of more digits than a float holds; or no
# number at all. Where it is met within text, no more than time is lost.
_INEXACT_NUMBER = (
    r"[:,\[]\s*-?"
    r"(\d+\.\d*\d0\s*[,}\]]|\d+(\.\d+)?[eE]|0\.0000|[\d.]{17,}\s*[,}\]]|NaN|Inf)"
)


def _as_utf8(table: SourceTable, where: str, member: Member, workspace: Path) -> Member:
    """The file itself, or a copy in UTF-8 where another encoding is declared.

    Bytes that the encoding does not know pass as they are, so that only their lines
    are rejected. Raises DeliveryError where the file begins in another encoding.
    """
    encoding = table.rules.options.get("encoding", "utf-8")
    _check_encoding(where, member.path, encoding)
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


def _check_encoding(where: str, path: Path, encoding: str) -> None:
    """Raise DeliveryError where a text's beginning shows another encoding."""
    with path.open("rb") as text:
        head = text.read(_SHOWN_OF_ENCODING)
    name = codecs.lookup(encoding).name
    marked = next((each for mark, each in _MARKS if head.startswith(mark)), None)
    if marked and not name.startswith(marked):
        found = f"it begins with the mark of {marked}"
        cure = f"set options.encoding: {marked}"
    elif not marked and not name.startswith(_WIDE) and (wide := _unmarked_wide(head)):
        found, cure = "every other byte of it is 0", f"set options.encoding: {wide}"
    elif not marked and name.startswith(_WIDE) and head and b"\0" not in head:
        found = "no byte of its beginning is 0"
        cure = "leave options.encoding out, or set it to the file's encoding"
    else:
        return
    raise DeliveryError(f"{where}: is not {encoding}: {found}; {cure} in sources.yml")


def _unmarked_wide(head: bytes) -> str | None:
    """The encoding of two bytes for each sign in which a text begins, if it does."""
    for offset, name in enumerate(("utf-16-be", "utf-16-le")):
        zeros, others = head[offset::2], head[1 - offset :: 2]
        # Some signs of such a text have another page than that of Latin letters.
        if 2 * zeros.count(0) > len(zeros) > 1 and 0 not in others:
            return name
    return None


def _reader(lines: Iterable[str], dialect: dict[str, str]) -> Any:
    quote_sign, escape = dialect["quote"], dialect["escape"]
    return csv.reader(
        lines,
        delimiter=dialect["delimiter"],
        quotechar=quote_sign or None,
        quoting=csv.QUOTE_MINIMAL if quote_sign else csv.QUOTE_NONE,
        doublequote=escape == quote_sign,
        escapechar=None if escape == quote_sign else escape,
        strict=True,
    )


def _header(
    table: SourceTable,
    where: str,
    member: Member,
    dialect: dict[str, str],
    passed: list[bytes],
) -> list[str]:
    """Names of the columns in the first line below those that were passed over."""
    above = table.rules.options.get("skip_lines")
    expected = f"expected the columns {', '.join(each.name for each in table.columns)}"
    # What is not UTF-8 passes, since the fault of a later line is not the header's.
    with member.path.open(
        encoding="utf-8-sig", errors="surrogateescape", newline=""
    ) as lines:
        reader = _reader(lines, dialect)
        try:
            header = next(reader, None)
            if not _known_names(table, header or []):
                _check_passed(table, where, passed, dialect)
            if header is not None:
                _check_first_line(table, where, header, reader)
        except csv.Error as error:
            raise DeliveryError(
                f"{where}: the header cannot be read ({error}), as with a quote that "
                f"is not closed; {expected}; check `options` in sources.yml, or have "
                "it delivered again"
            ) from None
    if not header:
        below = f" below the lines of options.skip_lines: {above}" if passed else ""
        raise DeliveryError(
            f"{where}: the file is empty, not even a header was found{below}; "
            f"{expected}; have it delivered again"
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


def _check_passed(
    table: SourceTable, where: str, passed: list[bytes], dialect: dict[str, str]
) -> None:
    """Raise DeliveryError where the header is among the lines that were passed over."""
    above = table.rules.options.get("skip_lines")
    for number, line in enumerate(passed, 1):
        text = line.decode("utf-8-sig", "surrogateescape")
        with suppress(csv.Error):
            if _is_header(table, next(_reader([text], dialect), [])):
                raise DeliveryError(
                    f"{where}: options.skip_lines: {above} "
                    f"passes over the header, which stands in line {number}; set "
                    f"options.skip_lines: {number - 1} in sources.yml"
                )


def _check_first_line(
    table: SourceTable, where: str, first: list[str], reader: Any
) -> None:
    """Raise DeliveryError where the header stands in a later line than the first."""
    if _known_names(table, first):
        return
    above = reader.line_num
    further: list[tuple[int, list[str]]] = []
    # What is wrong with a later line is not the header's fault.
    with suppress(csv.Error):
        for line in itertools.islice(reader, _LINES_ABOVE):
            further.append((above, line))
            above = reader.line_num
    for above, line in further:
        if _is_header(table, line):
            before = int(table.rules.options.get("skip_lines", "0"))
            raise DeliveryError(
                f"{where}: the header stands in line {before + above + 1}; expected it "
                f"in line {before + 1}; set options.skip_lines: {before + above} in "
                "sources.yml, or have the lines above the header removed"
            )
    if not first and any(line for _, line in further):
        expected = ", ".join(column.name for column in table.columns)
        raise DeliveryError(
            f"{where}: line 1 is empty; expected the columns {expected} there; set "
            "options.skip_lines in sources.yml to the number of lines above the "
            "header, or have them removed"
        )


def _check_header_end(table: SourceTable, where: str, names: list[str]) -> None:
    """Raise DeliveryError where a header without a line end seems to be cut off."""
    known, last = columns_by_name(table), names[-1].lower()
    missing = [column for column in table.columns if not column.names_in(names)]
    begun = [name for name in known if name.startswith(last) and known[name] in missing]
    if last not in known and missing and (begun or _known_names(table, names)):
        raise DeliveryError(
            f"{where}: ends within its header, and without a line end: it seems "
            f"truncated; expected the columns "
            f"{', '.join(column.name for column in table.columns)}, and rows; have it "
            "delivered again"
        )


def _is_header(table: SourceTable, names: list[str]) -> bool:
    return 0 < len(table.columns) <= 2 * _known_names(table, names)


def _known_names(table: SourceTable, names: list[str]) -> int:
    known = columns_by_name(table)
    return sum(name.strip().lower() in known for name in names)


def _below(member: Member, lines: int, workspace: Path) -> tuple[Member, list[bytes]]:
    """A copy without its first lines, and these."""
    with (
        member.path.open("rb") as source,
        tempfile.NamedTemporaryFile(dir=workspace, delete=False) as target,
    ):
        passed = [line for _ in range(lines) if (line := source.readline())]
        shutil.copyfileobj(source, target, 1 << 20)
    member.discard()
    return replace(member, path=Path(target.name), is_ours=True), passed


def _with_one_line_of_names(
    member: Member, dialect: dict[str, str], width: int, workspace: Path
) -> Member:
    """A copy whose header is one line, where line breaks in quotes make more of it.

    DuckDB takes the first line end of a file for that of all its rows, and finds no row
    where they end otherwise.
    """
    after = _quotes(dialect)
    with member.path.open(
        encoding="utf-8-sig", errors="surrogateescape", newline=""
    ) as source:
        lines = [source.readline()]
        while after("".join(lines).encode(errors="surrogateescape"), False):
            lines.append(source.readline())
            if not lines[-1]:
                return member
        if len(lines) == 1:
            return member
        with tempfile.NamedTemporaryFile(
            "w",
            encoding="utf-8",
            errors="surrogateescape",
            newline="",
            dir=workspace,
            delete=False,
        ) as target:
            end = lines[-1][len(lines[-1].rstrip("\r\n")) :]
            target.write(dialect["delimiter"].join("x" * width) + end)
            shutil.copyfileobj(source, target, 1 << 20)
    member.discard()
    return replace(member, path=Path(target.name), is_ours=True)


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


class Text(NamedTuple):
    """What is known of a text beside its rows, see `Fetched`."""

    has_odd_signs: bool
    ends_open: bool
    may_hold_rows: str | None = None


def convert_delimited(
    request: FetchRequest, where: str, member: Member, target: Path
) -> Text:
    """Write delimited lines below a header to a Parquet file, in their order.

    Raises DeliveryError where the file has no proper header, or ends within a row.
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
    member = _as_utf8(table, where, member, request.workspace)
    passed: list[bytes] = []
    if above := int(table.rules.options.get("skip_lines", "0")):
        member, passed = _below(member, above, request.workspace)
    names = _header(table, where, member, dialect, passed)
    member = _with_one_line_of_names(member, dialect, len(names), request.workspace)
    with ThreadPoolExecutor(1) as beside:
        is_odd = beside.submit(_has_odd_signs, member.path)
        line_ends = beside.submit(_count_line_ends, member.path)
        try:
            rows = _write_lines(connection, member, names, dialect, target)
        except duckdb.InvalidInputException as error:
            if not _is_of_line_ends(error):
                raise
            line_ends.result()
            member = _with_equal_ends(member, dialect, request.workspace)
            try:
                rows = _write_lines(connection, member, names, dialect, target)
            except duckdb.InvalidInputException as still:
                if not _is_of_line_ends(still):
                    raise
                raise DeliveryError(
                    f"{where}: a line is broken by a carriage return alone; expected "
                    "lines that end in \\n or \\r\\n, or all in \\r, and others "
                    "inside of quotes only; have it delivered again"
                ) from None
    open_line = _open_line(member.path)
    if open_line and not rows and not _read_rejects(connection):
        _check_header_end(table, where, names)
    _check_rows(
        connection, where, member.path, open_line, dialect, names, target, above
    )
    # One for the header and one for each row, where no value holds any.
    may_hold_rows = None
    if dialect["quote"] and line_ends.result() > rows + 1:
        may_hold_rows = _check_long_values(
            connection, table, where, member.path, dialect, names, target, above
        )
    if _collect_rejects(connection, header_lines=1):
        uncounted = target.rename(target.with_suffix(".uncounted"))
        numbered = (
            f"(select * exclude (file_row_number), file_row_number + 1 as {ROW_NUMBER} "
            f"from {parquet_sql(uncounted, file_row_number='true')})"
        )
        write_parquet(connection, _counting_rejects(numbered), target)
        uncounted.unlink()
    member.discard()
    return Text(is_odd.result(), bool(open_line), may_hold_rows)


def _open_line(path: Path) -> bytes:
    """What stands behind the last line end of a text, but for white space."""
    with path.open("rb") as text:
        size = text.seek(0, 2)
        text.seek(max(0, size - _LONGEST_LINE))
        tail = text.read()
    return re.split(rb"[\r\n]", tail)[-1].strip(_BLANK)


class _Reject(NamedTuple):
    """An unreadable line: the bytes of the file from its start to its end."""

    line: int
    error: str
    text: str
    start: int
    end: int


def _read_rejects(connection: duckdb.DuckDBPyConnection) -> list[_Reject]:
    """The unreadable lines of a file; of many only some, the last among them."""
    found = connection.execute(
        """
        select line, error_type, csv_line, line_byte_position - 1 as start,
            start + octet_length(encode(csv_line))
        from bad_lines
        qualify row_number() over (order by line desc, error_type) <= 1000
        order by line, error_type desc
        """
    ).fetchall()
    return [_Reject(*each) for each in found]


def _check_rows(
    connection: duckdb.DuckDBPyConnection,
    where: str,
    path: Path,
    open_line: bytes,
    dialect: dict[str, str],
    names: list[str],
    target: Path,
    above: int,
) -> None:
    """Raise DeliveryError where rows were lost: within quotes, or behind a cut.

    Whether a last row that is whole and looks like the others is the last one indeed,
    nothing can tell.
    """
    size, rejects = path.stat().st_size, _read_rejects(connection)
    is_open, of_quotes = _quotes(dialect), ("UNQUOTED VALUE", "LINE SIZE OVER MAXIMUM")
    forms = None
    for reject in rejects:
        _, *further = reject.text.splitlines()
        is_last = reject.end >= size - 2 or len(reject.text) >= _SHOWN_OF_A_LINE
        swallowed = reject.error in of_quotes and (
            any(
                line.count(dialect["delimiter"]) == len(names) - 1
                and dialect["quote"] not in line
                for line in further
            )
            or (is_last and is_open(reject.text.encode(), False))
        )
        if further and not swallowed:
            forms = forms or known_forms(connection, names, target)
            swallowed = lines_hold_row(further, dialect, forms)
        if swallowed:
            raise _quotes_error(
                where,
                f"line {above + reject.line} hold other rows or the end of the file, "
                "as where it was cut off or a quote is not closed",
            )
    if not open_line:
        return
    # Of a file in another encoding the last line may be unreadable like all others.
    is_cut = rejects and (
        (len(rejects) == 1 or rejects[-1].error == "MISSING COLUMNS")
        and max(rejects[-1].end, rejects[-1].start + len(open_line) + 2) >= size
    )
    if is_cut or _has_odd_end(connection, target):
        raise DeliveryError(
            f"{where}: ends within its last row, and without the line end of the "
            "others: it seems truncated, so that rows are missing; expected a whole "
            "row and a line end; have it delivered again, or have a note below the "
            "table removed"
        )


def _check_long_values(
    connection: duckdb.DuckDBPyConnection,
    table: SourceTable,
    where: str,
    path: Path,
    dialect: dict[str, str],
    names: list[str],
    target: Path,
    above: int,
) -> str | None:
    """The line and column of a value that may hold rows.

    Raises DeliveryError where it holds some for certain.
    """
    held = find_held_rows(connection, names, target, dialect["delimiter"])
    if held is None:
        return None
    line, column = line_of(path, held, dialect), shown_names(table, [held.column])
    place = f"line {above + line}, column {column}"
    if held.is_certain:
        raise _quotes_error(
            where, f"{place} hold other rows, as where a quote stands too much"
        )
    return place


def _quotes_error(where: str, found: str) -> DeliveryError:
    return DeliveryError(
        f"{where}: the quotes that are opened in {found}; expected a closing quote at "
        "the end of the value; have it delivered again, or check quote and escape of "
        "`options` in sources.yml"
    )


def _has_odd_end(connection: duckdb.DuckDBPyConnection, target: Path) -> bool:
    """Whether the last value of a file is shorter than all others of its column are.

    So are texts of one length (days, codes) and numbers of as many places.
    """
    name = [*columns_of(connection, target)][-1]
    found = connection.execute(
        f"""
        with numbered as (
            select
                file_row_number,
                coalesce({quote(name)}, '') as value,
                length(value) as size,
                length(regexp_extract(value, '[.,](\\d+)$', 1)) as places
            from {parquet_sql(target, file_row_number="true")}
        ),
        last_rows as (from numbered order by file_row_number desc limit 1),
        others as (
            select count(*) as row_count, min(size) as shortest, max(size) as longest,
                min(places) as fewest, max(places) as most
            from numbered
            where file_row_number < (select file_row_number from last_rows)
        )
        select
            row_count >= {_ROWS_OF_ONE_FORM} and (
                (shortest > 0 and size = 0)
                or (shortest = longest and size < shortest)
                or (fewest = most and places < fewest)
            )
        from others cross join last_rows
        """
    ).fetchall()
    return found == [(True,)]


def _write_lines(
    connection: duckdb.DuckDBPyConnection,
    member: Member,
    names: list[str],
    dialect: dict[str, str],
    target: Path,
) -> int:
    rows = _read_csv(
        member,
        names,
        header="true",
        delim=literal(dialect["delimiter"]),
        quote=literal(dialect["quote"]),
        escape=literal(dialect["escape"]),
        **_KEEP_REJECTS,
    )
    _forget_rejects(connection)
    # Without numbers of their own, since counting would bring all rows to one thread;
    # the order of the file tells them as long as no line is missing.
    return write_parquet(connection, f"from {rows}", target)


def _is_of_line_ends(error: duckdb.Error) -> bool:
    return "state machine" in str(error)


def _with_equal_ends(
    member: Member, dialect: dict[str, str], workspace: Path
) -> Member:
    """A copy whose lines all end in a line feed, but for what stands in quotes.

    DuckDB reads strictly only what ends alike throughout, and what it reads otherwise
    loses surplus values.
    """
    is_quoted = False
    after = _quotes(dialect)
    with (
        member.path.open("rb") as source,
        tempfile.NamedTemporaryFile(dir=workspace, delete=False) as target,
    ):
        for line in source:
            is_quoted = after(line, is_quoted)
            if not is_quoted and line.endswith(b"\r\n"):
                line = line[:-2] + b"\n"
            target.write(line)
    member.discard()
    return replace(member, path=Path(target.name), is_ours=True)


def _quotes(dialect: dict[str, str]) -> Callable[[bytes, bool], bool]:
    """Tells whether a value in quotes goes on behind a line, given whether before it.

    A quote opens at the beginning of a value only: 5" is none.
    """
    sign, escape, delimiter = (
        re.escape(dialect[name].encode()) for name in ("quote", "escape", "delimiter")
    )
    if not sign:
        return lambda line, is_quoted: False
    opening = re.compile(b"(?:^|%s)%s" % (delimiter, sign))
    escaped = sign + sign if escape == sign else escape + b"."
    last = b"%s(?!%s)" % (sign, sign) if escape == sign else sign
    closing = re.compile(
        b"(?:%s|[^%s%s])*%s" % (escaped, sign, escape, last), re.DOTALL
    )

    def after(line: bytes, is_quoted: bool) -> bool:
        position = 0
        while True:
            pattern = closing.match if is_quoted else opening.search
            found = pattern(line, position)
            if not found:
                return is_quoted
            position, is_quoted = found.end(), not is_quoted

    return after


def _has_odd_signs(path: Path) -> bool:
    """Whether each value of a text in UTF-8 has to be looked at."""
    return any(
        any(sign in chunk for sign in _ODD_BYTES)
        or any(sign.pattern[0] in chunk and sign.search(chunk) for sign in _ODD_SIGNS)
        for chunk in _chunks(path)
    )


def _count_line_ends(path: Path) -> int:
    r"""How many lines of a text end: in \n, \r\n or \r."""
    count, last = 0, b""
    with path.open("rb", buffering=0) as text:
        while chunk := text.read(_CHUNK_BYTES):
            count += chunk.count(b"\n")
            if b"\r" in chunk or last == b"\r":
                pairs = (last + chunk).count(b"\r\n")
                count += chunk.count(b"\r") - pairs
            last = chunk[-1:]
    return count


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
    member = _as_utf8(request.table, where, member, request.workspace)
    _check_first_object(where, member.path)
    _check_last_line(where, member.path)
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
    _forget_rejects(connection)
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


def _check_first_object(where: str, path: Path) -> None:
    """Raise DeliveryError where a file of JSON does not hold an object in each line."""
    with path.open("rb") as text:
        first = text.readline(_LONGEST_LINE).removeprefix(codecs.BOM_UTF8).strip()
        others = text.read(_SHOWN_OF_ENCODING).strip()
    begun = first[:1]
    with suppress(ValueError, RecursionError):
        read_line(first.decode())
        # A line of its own, whatever it is worth.
        if begun != b"[" or others:
            return
    if begun == b"[" or (begun == b"{" and others[:1] in (b'"', b"}")):
        held = "an array of objects" if begun == b"[" else "objects of several lines"
        raise DeliveryError(
            f"{where}: holds {held} of JSON; expected one object per line; have it "
            "delivered so (`jq -c` writes objects so, `jq -c .[]` those of an array)"
        )


def _check_last_line(where: str, path: Path) -> None:
    last = _open_line(path).removeprefix(codecs.BOM_UTF8)
    try:
        if last and len(last) < _LONGEST_LINE:
            read_line(last.decode())
    except (ValueError, RecursionError):
        raise DeliveryError(
            f"{where}: ends within its last line: it seems truncated, so that rows are "
            "missing; expected a whole object of JSON in each line; have it delivered "
            "again"
        ) from None


def _line_as_text(table: SourceTable) -> Callable[[str], str]:
    columns = columns_by_name(table)

    def as_text(line: str) -> str:
        try:
            return row_as_text(read_line(line), columns)
        except (ValueError, RecursionError):
            return line  # For DuckDB to judge.

    return as_text


def _forget_rejects(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop DuckDB's notes, such as those of a file before that was refused."""
    for name in ("bad_lines", "bad_scans"):
        connection.execute(f"drop table if exists {name}")


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
        group by line
        """
    )
    _forget_rejects(connection)
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
