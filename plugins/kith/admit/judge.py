"""Judge: how each row of an attempt is read, and what makes it a good one, as SQL."""

import datetime as dt
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from kith.admit.drift import compare_columns
from kith.admit.faults import (
    Fault,
    column_faults,
    drops_unreadable,
    first_fault,
    repeated_header,
    total_line,
)
from kith.company.tables import Column, SourceTable
from kith.database import fetch_row, literal, parquet_sql, quote
from kith.deliveries.business_days import business_day, has_date_cursor
from kith.deliveries.casts import as_text, declared_types, read_column, with_texts
from kith.deliveries.columns import ROW_NUMBER, is_own
from kith.deliveries.raw import Manifest, PulledFile, reading
from kith.errors import ConfigurationError, DeliveryError
from kith.runs.run import Run

_OWN_COLUMNS = {"loaded_at", "row_key"}
_FAULT = (
    "struct(column_name varchar, reason varchar, value varchar, expected varchar, "
    "payload_hash varchar)"
)


@dataclass(frozen=True)
class Attempt:
    """An attempt that was pulled, and how its rows are judged.

    Attributes:
        table: The table as declared.
        manifest: What was pulled.
        columns: Names of the columns to be admitted.
        judged: SQL relation of all rows: the columns to be admitted in their types,
            `_kith_good`, `_kith_file` (as people know it), `_kith_named_at` (what its
            name tells of its delivery, UTC), `ROW_NUMBER`, `_kith_payload` (hash of the
            row as delivered), and of a bad row `_kith_fault` (column_name, reason,
            value, expected, payload_hash).
        unread: Columns of `judged` that tell of those of a declared column whether a
            value was given that counts as none.
        raw: Type of each delivered column; of several the one that came first.
        warnings: What people should look at.
        time_zone: The company's.
    """

    table: SourceTable
    manifest: Manifest
    columns: list[str]
    judged: str
    unread: dict[str, str]
    raw: dict[str, str]
    warnings: list[str]
    time_zone: str

    def reading(self) -> AbstractContextManager[None]:
        """Turn the failure to read its files into a DeliveryError."""
        names = names_of(self.manifest.files)
        return reading(f"{self.table.full_name}: {names}", self.table)


def read_attempt(
    connection: duckdb.DuckDBPyConnection,
    run: Run,
    table: SourceTable,
    folder: Path,
    manifest: Manifest,
) -> Attempt:
    """How to read an attempt that lies in a folder.

    Raises DeliveryError where its columns break what `sources.yml` declares.
    """
    kinds = declared_types(table)

    def fits(file: PulledFile, delivered: str, name: str) -> bool:
        """Whether nearly all of the first values would do for a column."""
        column = table.column(name).model_copy(update={"name": delivered})
        reading = read_column(column, file.columns, kinds[name])
        if reading is None or column.rules.pii:
            return False
        faults = [*column_faults(table, column, reading, kinds[name], "typed")]
        (fitting, count) = fetch_row(
            connection,
            f"select count(*) filter (where {first_fault(faults)} is null), count(*) "
            f"from (select *, {reading.typed} as typed "
            f"from {parquet_sql(folder / file.stored)} limit 1000)",
        )
        return bool(count) and fitting >= 0.95 * count

    new, warnings = compare_columns(table, manifest, fits)
    evolved = new if table.rules.drift.new == "evolve" else []
    for name in {*kinds, *evolved}:
        if name.lower() in _OWN_COLUMNS:
            raise ConfigurationError(
                f"{table.full_name}: column {name}: admission adds a column of that "
                "name; have it delivered under another one"
            )
    if manifest.rows_taken + manifest.rejects == 0:
        message = (
            f"{table.full_name}: {names_of(manifest.files)}: no row for "
            f"{manifest.from_day} to {manifest.to_day}"
        )
        if table.rules.empty == "stop":
            raise DeliveryError(
                f"{message}; expected some (empty: stop in sources.yml); have it "
                "delivered again, or declare empty: warn"
            )
        warnings.append(message)
    now = _now(table, manifest, run.company.time_zone)
    raw: dict[str, str] = {}
    judged = []
    for files in _of_equal_types(manifest.files):
        paths = {str(folder / file.stored): file for file in files}
        stored = parquet_sql(
            *map(Path, paths),
            union_by_name="true",
            filename="'_kith_path'",
            file_row_number="true",
        )
        described = connection.execute(f"describe from {stored}").fetchall()
        types = {row[0]: row[1] for row in described}
        raw = {name: kind for name, kind in types.items() if not is_own(name)} | raw
        judged.append(_judged_sql(table, stored, types, paths, kinds, evolved, now))
    return Attempt(
        table=table,
        manifest=manifest,
        columns=[*kinds, *evolved],
        judged=f"({' union all by name '.join(judged)})",
        unread={
            column.name: _unread(column)
            for column in table.columns
            if drops_unreadable(table, column)
            and any(column.names_in(file.columns) for file in manifest.files)
        },
        raw=raw,
        warnings=warnings,
        time_zone=run.company.time_zone,
    )


def values_hash(expressions: Iterable[str]) -> str:
    """SQL of the hash of some values as they are written."""
    texts = ", ".join(f"cast({expression} as varchar)" for expression in expressions)
    return f"md5(cast(json_array({texts}) as varchar))"


def _of_equal_types(files: list[PulledFile]) -> list[list[PulledFile]]:
    """The files in groups, in each of which every column has one type.

    Read together, others would be cast to a type that holds them all before anybody
    looks at them: a key of 17 digits to a floating-point number, a local time to UTC.
    """
    groups: list[tuple[dict[str, str], list[PulledFile]]] = []
    for file in files:
        stored = {name.lower(): kind for name, kind in file.columns.items()}
        for kinds, group in groups:
            if all(kinds.get(name, kind) == kind for name, kind in stored.items()):
                kinds |= stored
                group.append(file)
                break
        else:
            groups.append((stored, [file]))
    return [group for _, group in groups]


def _judged_sql(
    table: SourceTable,
    stored: str,
    types: dict[str, str],
    paths: dict[str, PulledFile],
    kinds: dict[str, str],
    evolved: list[str],
    now: str | None,
) -> str:
    """SQL of the judged rows of files whose columns have the same types.

    `stored` is the relation of their rows, whose columns have `types`.
    """
    delivered = {name: kind for name, kind in types.items() if not is_own(name)}
    admitted: list[str] = []
    typed: list[str] = []
    texts: dict[str, str] = {}
    sizes = ", ".join(f"{literal(path)}: {file.rows}" for path, file in paths.items())
    ends = ", ".join(sorted({str(file.rows) for file in paths.values()}))
    # A case, since to look a path up takes longer than to compare numbers.
    is_last = (
        f"case when file_row_number + 1 in ({ends}) "
        f"then map {{{sizes}}}[_kith_path] = file_row_number + 1 else false end"
    )
    faults: list[Fault] = [
        *repeated_header(table, delivered),
        *total_line(table, delivered, is_last),
    ]
    has_odd_signs = any(file.has_odd_signs for file in paths.values())
    for column in table.columns:
        name, kind = column.name, kinds[column.name]
        value = f"_kith_typed_{len(typed)}"
        admitted.append(f"{value} as {quote(name)}")
        reading = read_column(column, delivered, kind, has_odd_signs, texts)
        if reading is None:
            typed.append(f"cast(null as {kind}) as {value}")
            continue
        typed.append(f"{reading.typed} as {value}")
        if drops_unreadable(table, column):
            unread = f"{value} is null and {reading.given} is not null"
            admitted.append(f"{unread} as {quote(_unread(column))}")
        later = None
        if name == table.rules.cursor:
            ahead = [
                f" or (_kith_path = {literal(path)} and {value} >= '{file.ahead_of}')"
                for path, file in paths.items()
                if file.ahead_of
            ]
            later = f"{value} > {now}{''.join(ahead)}"
        faults += column_faults(table, column, reading, kind, value, later)
    for name in evolved:
        value = as_text(quote(name), delivered[name]) if name in delivered else "null"
        admitted.append(f"cast({value} as varchar) as {quote(name)}")
    payload = values_hash(map(quote, delivered))
    fault = " ".join(
        f"when {number} then {{'column_name': {literal(fault.column)}, "
        f"'reason': {literal(fault.reason)}, 'value': {fault.shown}, "
        f"'expected': {literal(fault.expected)}, 'payload_hash': _kith_payload}}"
        for number, fault in enumerate(faults, 1)
    )
    number = "file_row_number + 1"
    if ROW_NUMBER in types:
        number = f"coalesce({ROW_NUMBER}, {number})"
    origins = ", ".join(
        f"{literal(path)}: {literal(file.origin)}" for path, file in paths.items()
    )
    named = ", ".join(
        f"{literal(path)}: {_instant(file.named_at)}" for path, file in paths.items()
    )
    return f"""
        select
            {", ".join(admitted)},
            _kith_fault_number is null as _kith_good,
            map {{{origins}}}[_kith_path] as _kith_file,
            map {{{named}}}[_kith_path] as _kith_named_at,
            {number} as {ROW_NUMBER},
            _kith_payload,
            case _kith_fault_number
                when null then cast(null as {_FAULT}) {fault}
            end as _kith_fault
        from (
            select
                *,
                {payload} as _kith_payload,
                {first_fault(faults)} as _kith_fault_number
            from (select *, {", ".join(typed)} from {with_texts(stored, texts)})
        )
    """


def _unread(column: Column) -> str:
    return f"_kith_unread_{column.name}"


def _now(table: SourceTable, manifest: Manifest, time_zone: str) -> str | None:
    """SQL literal of the last legal cursor."""
    if table.rules.cursor is None:
        return None
    if has_date_cursor(table):
        return f"date '{business_day(manifest.delivered_at, time_zone)}'"
    return f"timestamp '{manifest.delivered_at}'"


def _instant(moment: dt.datetime | None) -> str:
    """SQL of a moment, which may have an offset, as a naive UTC timestamp."""
    if moment is None:
        return "cast(null as timestamp)"
    if moment.tzinfo:
        moment = moment.astimezone(dt.UTC).replace(tzinfo=None)
    return f"timestamp '{moment}'"


def names_of(files: list[PulledFile]) -> str:
    """The first names of files, as people know them."""
    names = [file.origin for file in files]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if names[3:] else "")
