"""Judge: how each row of an attempt is read, and what makes it a good one, as SQL."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from kith.admit.drift import compare_columns
from kith.admit.faults import Fault, Rule, repeated_header
from kith.company.tables import Column, SourceTable
from kith.database import fetch_row, literal, parquet_sql, quote
from kith.deliveries.business_days import business_day
from kith.deliveries.casts import declared_types, is_number, is_time, read_column
from kith.deliveries.columns import ROW_NUMBER, is_own
from kith.deliveries.raw import Manifest, PulledFile, reading
from kith.errors import ConfigurationError, DeliveryError
from kith.runs.run import Run

_OWN_COLUMNS = {"loaded_at", "row_key"}


@dataclass(frozen=True)
class Part:
    """The files of an attempt whose columns have the same types, as SQL.

    `judged` has the columns as they came, of which `raw` gives the types, the typed
    ones, and whether the row is good.
    `typed` maps each column to be admitted to its SQL.
    """

    judged: str
    raw: dict[str, str]
    typed: dict[str, str]
    faults: list[Fault]

    def rows(self, condition: str) -> str:
        """Relation of the rows for which a condition holds, as they came and typed."""
        return f"(from {self.judged} where {condition})"


@dataclass(frozen=True)
class Attempt:
    """Where the rows of an attempt are and how each column is read.

    `origins` maps the path of each file to its name as people know it. `day` makes SQL
    of the cursor into SQL of its business day.
    """

    table: SourceTable
    manifest: Manifest
    parts: list[Part]
    warnings: list[str]
    origins: dict[str, str]
    day: Callable[[str], str]

    @property
    def raw(self) -> dict[str, str]:
        """Type of each delivered column; of several the one that came first."""
        return {
            name: kind
            for part in reversed(self.parts)
            for name, kind in part.raw.items()
        }

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
    new, warnings = compare_columns(
        table,
        manifest,
        lambda file, delivered, name: _fits(
            connection,
            table,
            folder / file.stored,
            table.column(name).model_copy(update={"name": delivered}),
            file.columns,
            kinds[name],
        ),
    )
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
    now = _now(run, table, kinds, manifest)
    parts = [
        _read_part(connection, table, folder, files, kinds, evolved, now)
        for files in _of_equal_types(manifest.files)
    ]
    return Attempt(
        table=table,
        manifest=manifest,
        parts=parts,
        warnings=warnings,
        origins={str(folder / file.stored): file.origin for file in manifest.files},
        day=lambda cursor: (
            cursor
            if kinds[table.rules.cursor or ""] == "DATE"
            else f"cast({cursor} at time zone 'UTC' at time zone "
            f"{literal(run.company.time_zone)} as date)"
        ),
    )


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


def _read_part(
    connection: duckdb.DuckDBPyConnection,
    table: SourceTable,
    folder: Path,
    files: list[PulledFile],
    kinds: dict[str, str],
    evolved: list[str],
    now: str | None,
) -> Part:
    stored = parquet_sql(
        *(folder / file.stored for file in files),
        union_by_name="true",
        filename="'_kith_file'",
        file_row_number="true",
    )
    has_odd_signs = any(file.has_odd_signs for file in files)
    described = connection.execute(f"describe from {stored}").fetchall()
    raw = {row[0]: row[1] for row in described if not is_own(row[0])}
    has_numbers = any(row[0] == ROW_NUMBER for row in described)
    number = f"coalesce({ROW_NUMBER}, file_row_number + 1)"
    relation = (
        f"(select * replace ({number} as {ROW_NUMBER}) from {stored})"
        if has_numbers
        else f"(select *, file_row_number + 1 as {ROW_NUMBER} from {stored})"
    )
    typed: dict[str, str] = {}
    read: list[str] = []
    good: list[str] = []
    faults: list[Fault] = []
    if header := repeated_header(table, raw):
        faults.append(header)
        # A number or a time cannot be read from its column's name in any case.
        if not any(
            is_number(kinds[column.name]) or is_time(kinds[column.name])
            for column in table.columns
            for name in column.names_in(raw)
            if name[0].isalpha() and not column.rules.pii
        ):
            good.append(f"({header.condition}) is not true")
    ahead = {
        str(folder / file.stored): file.ahead_of for file in files if file.ahead_of
    }
    for column in table.columns:
        reading = read_column(column, raw, kinds[column.name], has_odd_signs)
        if reading is None:
            typed[column.name] = f"cast(null as {kinds[column.name]})"
            continue
        sql = typed[column.name] = f"_kith_typed_{len(read)}"
        read.append(f"{reading.typed} as {sql}")
        rule = Rule(table, column, reading, kinds[column.name], sql, now, ahead)
        good += rule.good()
        faults += rule.faults()
    for name in evolved:
        typed[name] = f"cast({quote(name) if name in raw else 'null'} as varchar)"
    return Part(
        judged=f"(select *, {' and '.join(good) or 'true'} as _kith_good "
        f"from (select {', '.join(['*', *read])} from {relation}))",
        raw=raw,
        typed=typed,
        faults=faults,
    )


def _fits(
    connection: duckdb.DuckDBPyConnection,
    table: SourceTable,
    path: Path,
    column: Column,
    raw_types: dict[str, str],
    kind: str,
) -> bool:
    """Whether nearly all of the first values would do for a column."""
    reading = read_column(column, raw_types, kind)
    if reading is None or column.rules.pii:
        return False
    good = Rule(table, column, reading, kind, "typed", None).good()
    (fitting, count) = fetch_row(
        connection,
        f"select count(*) filter (where {' and '.join(good) or 'true'}), count(*) "
        f"from (select *, {reading.typed} as typed "
        f"from {parquet_sql(path)} limit 1000)",
    )
    return bool(count) and fitting >= 0.95 * count


def _now(
    run: Run, table: SourceTable, kinds: dict[str, str], manifest: Manifest
) -> str | None:
    """SQL literal of the last legal cursor."""
    if table.rules.cursor is None:
        return None
    if kinds[table.rules.cursor] == "DATE":
        return f"date '{business_day(manifest.delivered_at, run.company.time_zone)}'"
    return f"timestamp '{manifest.delivered_at}'"


def names_of(files: list[PulledFile]) -> str:
    """The first names of files, as people know them."""
    names = [file.origin for file in files]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if names[3:] else "")
