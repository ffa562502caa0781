"""Connector `files`: CSV, JSON lines and Parquet, plain or packed (.gz, .zst).

`path` in `sources.yml` is relative to the company's folder, absolute, or
`package://<import name>/<path>` for data that an installed Python package carries. It
may hold wildcards. Options of CSV: delimiter, quote, escape; of CSV and JSON lines:
encoding. No dialect is guessed: a guess that changes with the data is a fault that
shows up months later.
"""

import codecs
import csv
import importlib.util
import io
import json
import shutil
from pathlib import Path

import duckdb
import pyarrow as pa

from kith.company import SourceTable
from kith.connectors import ROW_NUMBER, Fetched, Request, reading
from kith.database import fetch_row, literal
from kith.errors import ConfigurationError, DeliveryError

_OPTIONS = {"delimiter", "quote", "escape", "encoding"}
_PACKINGS = {".gz": "gzip", ".zst": "zstd"}


def fetch(request: Request) -> list[Fetched]:
    """Fetch the rows of every file that the table's path matches, in sorted order.

    Raises DeliveryError when no file matches, or one cannot be read.
    """
    table, workspace = request.table, request.workspace
    connection = request.duckdb
    _check_options(table)
    fetched = []
    for number, (origin, path) in enumerate(_find(request.company_folder, table), 1):
        where = f"{table.full_name}: {origin}"
        parts = [part.lower() for part in path.suffixes]
        packing = _PACKINGS.get(parts[-1]) if parts else None
        kind = parts[-2] if packing and len(parts) > 1 else parts[-1] if parts else ""
        converted = workspace / f"{number:04}_{path.name}.parquet"
        with reading(where, table):
            if kind == ".parquet" and not packing:
                fetched.append(_parquet(connection, origin, path))
            elif kind == ".csv":
                lines = _as_utf8(table, path, packing, workspace)
                fetched.append(_csv(connection, table, where, origin, lines, converted))
            elif kind in (".jsonl", ".ndjson"):
                lines = _as_utf8(table, path, packing, workspace)
                fetched.append(_json_lines(connection, where, origin, lines, converted))
            else:
                raise DeliveryError(
                    f"{where}: unknown kind of file; expected .csv, .jsonl or .ndjson "
                    "(plain, .gz or .zst) or .parquet; rename it or narrow `path` in "
                    "sources.yml"
                )
    return fetched


def _check_options(table: SourceTable) -> None:
    where = f"sources.yml: {table.full_name}: options"
    for name, value in table.rules.options.items():
        if name not in _OPTIONS:
            raise ConfigurationError(
                f"{where}: unknown option '{name}'; known are "
                f"{', '.join(sorted(_OPTIONS))}"
            )
        if (
            name != "encoding"
            and len(value) != 1
            and not (name == "quote" and not value)
        ):
            raise ConfigurationError(
                f"{where}.{name}: found {value!r}; expected one character"
            )
    encoding = table.rules.options.get("encoding", "utf-8")
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise ConfigurationError(
            f"{where}.encoding: found '{encoding}'; expected a name such as utf-8, "
            "latin-1, cp1252 or utf-16"
        ) from None


def _find(company_folder: Path, table: SourceTable) -> list[tuple[str, Path]]:
    """Origin name and place of each file."""
    declared = table.rules.path or ""
    if declared.startswith("package://"):
        package, _, inside = declared.removeprefix("package://").partition("/")
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise ConfigurationError(
                f"sources.yml: {table.full_name}: path {declared}: the Python package "
                f"'{package}' is not installed; name it in "
                f"{company_folder / 'requirements.txt'} and install that file"
            )
        base, prefix = Path(spec.submodule_search_locations[0]), f"package://{package}/"
    else:
        base, inside, prefix = company_folder, declared, ""
    root = Path(Path(inside).anchor) if Path(inside).is_absolute() else base
    pattern = inside.lstrip("/") if root != base else inside
    paths = sorted(path for path in root.glob(pattern) if path.is_file())
    if not paths:
        raise DeliveryError(
            f"{table.full_name}: no file at {base / inside}; the delivery is missing, "
            "or `path` in sources.yml is wrong"
        )
    return [
        (
            prefix + str(path.relative_to(base))
            if path.is_relative_to(base)
            else str(path),
            path,
        )
        for path in paths
    ]


def _columns(connection: duckdb.DuckDBPyConnection, path: Path) -> dict[str, str]:
    rows = connection.execute(
        f"describe select * from read_parquet({literal(str(path))})"
    ).fetchall()
    return {row[0]: row[1] for row in rows if row[0] != ROW_NUMBER}


def _count(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    (count,) = fetch_row(connection, f"select count(*) from {relation}")
    return int(count)


def _parquet(connection: duckdb.DuckDBPyConnection, origin: str, path: Path) -> Fetched:
    (rows,) = fetch_row(
        connection,
        f"select num_rows from parquet_file_metadata({literal(str(path))})",
    )
    return Fetched(origin, path, True, rows, _columns(connection, path))


def _as_utf8(
    table: SourceTable, path: Path, packing: str | None, workspace: Path
) -> Path:
    """The file itself, or a copy in UTF-8 where another encoding is declared.

    Bytes that the encoding does not know pass as they are, so that only their lines
    are rejected.
    """
    encoding = table.rules.options.get("encoding", "utf-8")
    if codecs.lookup(encoding).name == "utf-8":
        return path
    copy = (
        workspace
        / f"utf8_{path.name.removesuffix(path.suffix) if packing else path.name}"
    )
    with (
        pa.input_stream(str(path), compression=packing) as packed,
        io.TextIOWrapper(packed, encoding, "surrogateescape", newline="") as source,
        copy.open(
            "w", encoding="utf-8", errors="surrogateescape", newline=""
        ) as target,
    ):
        shutil.copyfileobj(source, target, 1 << 20)
    return copy


def _header(
    table: SourceTable, where: str, path: Path, dialect: dict[str, str]
) -> list[str]:
    packing = _PACKINGS.get(path.suffix.lower())
    quote_sign, escape = dialect["quote"], dialect["escape"]
    with (
        pa.input_stream(str(path), compression=packing) as packed,
        io.BufferedReader(packed) as lines,
    ):
        reader = csv.reader(
            # Line by line, since the fault of a later line is not the header's.
            (line.decode("utf-8-sig") for line in lines),
            delimiter=dialect["delimiter"],
            quotechar=quote_sign or None,
            quoting=csv.QUOTE_MINIMAL if quote_sign else csv.QUOTE_NONE,
            doublequote=escape == quote_sign,
            escapechar=None if escape == quote_sign else escape,
        )
        try:
            header = next(reader, None)
        except UnicodeDecodeError as error:
            raise DeliveryError(
                f"{where}: line 1 is not "
                f"{table.rules.options.get('encoding', 'utf-8')} ({error}); set "
                "options.encoding in sources.yml to the file's encoding, e.g. latin-1"
            ) from error
    if not header:
        raise DeliveryError(
            f"{where}: the file is empty, not even a header was found; expected the "
            f"columns {', '.join(column.name for column in table.columns)}; have it "
            "delivered again"
        )
    names = [
        name.strip() or f"column_{number}" for number, name in enumerate(header, 1)
    ]
    _check_distinct(where, names)
    return names


def _check_distinct(where: str, names: list[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        if name.lower() in seen:
            raise DeliveryError(
                f"{where}: columns '{seen[name.lower()]}' and '{name}' cannot be told "
                "apart, since names of columns do not mind case; have one renamed"
            )
        seen[name.lower()] = name


def _read_csv(path: Path, columns: list[str], **options: str) -> str:
    kinds = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in columns)
    given = ", ".join(f"{name} = {value}" for name, value in options.items())
    return (
        f"read_csv({literal(str(path))}, columns = {{{kinds}}}, auto_detect = false, "
        f"nullstr = '', {given})"
    )


_KEEP_REJECTS = {
    "store_rejects": "true",
    "rejects_limit": "0",
    "rejects_table": "'bad_lines'",
    "rejects_scan": "'bad_scans'",
}


def _csv(
    connection: duckdb.DuckDBPyConnection,
    table: SourceTable,
    where: str,
    origin: str,
    path: Path,
    converted: Path,
) -> Fetched:
    dialect = {"delimiter": ",", "quote": '"', **table.rules.options}
    dialect.setdefault("escape", dialect["quote"])
    names = _header(table, where, path, dialect)
    rows = _read_csv(
        path,
        names,
        header="true",
        delim=literal(dialect["delimiter"]),
        quote=literal(dialect["quote"]),
        escape=literal(dialect["escape"]),
        # Without a quote sign DuckDB's strict mode refuses every line.
        strict_mode="true" if dialect["quote"] else "false",
        **_KEEP_REJECTS,
    )
    _write(
        connection,
        f"select *, row_number() over () as {ROW_NUMBER} from {rows}",
        converted,
    )
    if _collect_rejects(connection, header_lines=1):
        uncounted = converted.rename(converted.with_suffix(".uncounted"))
        _write(
            connection,
            _counting_rejects(f"read_parquet({literal(str(uncounted))})"),
            converted,
        )
        uncounted.unlink()
    return _converted(connection, origin, converted)


def _json_lines(
    connection: duckdb.DuckDBPyConnection,
    where: str,
    origin: str,
    path: Path,
    converted: Path,
) -> Fetched:
    # Lines are read as text first, so that a malformed one is kept as it came. No
    # line of JSON holds the control character that serves as delimiter.
    dialect = {
        "header": "false",
        "delim": "e'\\x01'",
        "quote": "''",
        "escape": "''",
        "strict_mode": "false",
    }
    # A case, since `and` does not keep json_type from a line that is no JSON.
    is_object = (
        "case when json_valid(line) then json_type(line) = 'OBJECT' else false end"
    )
    shapes = connection.execute(
        f"""
        select case when {is_object} then json_keys(line) end as keys, count(*)
        from {_read_csv(path, ["line"], **dialect, **_KEEP_REJECTS)}
        where line is not null
        group by keys
        """
    ).fetchall()
    names = sorted({key for keys, _ in shapes for key in keys or []})
    _check_distinct(where, names)
    lines = (
        f"(select line, row_number() over () as {ROW_NUMBER} from "
        f"{_read_csv(path, ['line'], **dialect, ignore_errors='true')})"
    )
    if _collect_rejects(connection, header_lines=0):
        lines = f"({_counting_rejects(lines)})"
    shape = literal(json.dumps(dict.fromkeys(names, "VARCHAR")))
    values = f"unnest(json_transform(line, {shape}))," if names else ""
    _write(
        connection,
        f"select {values} {ROW_NUMBER} from {lines} where {is_object}",
        converted,
    )
    if any(keys is None for keys, _ in shapes):
        connection.execute(
            f"""
            insert into rejects select {ROW_NUMBER}, 'not a JSON object', line
            from {lines} where line is not null and not {is_object}
            """
        )
    return _converted(connection, origin, converted, has_schema=False)


def _write(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    connection.execute(
        f"copy ({query}) to {literal(str(path))} (format parquet, compression zstd)"
    )


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
    return _count(connection, "rejects") > 0


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


def _converted(
    connection: duckdb.DuckDBPyConnection,
    origin: str,
    path: Path,
    has_schema: bool = True,
) -> Fetched:
    reject_count = _count(connection, "rejects")
    rejects = path.with_suffix(".rejects.parquet") if reject_count else None
    if rejects:
        _write(connection, "select * from rejects order by row_number", rejects)
    return Fetched(
        origin,
        path,
        is_original=False,
        rows=_count(connection, f"read_parquet({literal(str(path))})"),
        columns=_columns(connection, path),
        has_schema=has_schema,
        rejects=rejects,
        reject_count=reject_count,
    )
