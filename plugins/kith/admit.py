"""Admit: let through what keeps the declaration in `sources.yml`, keep the rest apart.

Every delivered row ends in exactly one place: admitted, quarantined (with the reason
and the place it came from) or counted as a duplicate. A delivery that is mostly bad is
refused as a whole, and what was admitted before for the interval stays in force.
"""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from kith.casts import can_fail, declared_types, given_sql, is_number, typed_sql
from kith.company import Column, SourceTable
from kith.connectors import ROW_NUMBER, reading
from kith.database import connect, fetch_row, literal, quote
from kith.errors import ConfigurationError, DeliveryError
from kith.pull import (
    Manifest,
    PulledFile,
    business_day,
    newest_attempt,
    workspace,
)
from kith.runs import Run
from kith.storage import move_durably

_SHOWN_CHARACTERS = 200
_OWN_COLUMNS = {"loaded_at", "row_key"}
_DELIMITERS = {";": "semicolon", "\t": "tab", "|": "bar", ",": "comma", ":": "colon"}

_CURES = {
    "wrong_type": "correct the source, or the column's data_type, format or "
    "null_values in sources.yml",
    "required_missing": "have the source fill the column; drop `required` in "
    "sources.yml only if the column is no key and may be empty",
    "below_minimum": "correct the source, or `minimum` in sources.yml",
    "above_maximum": "correct the source, or `maximum` in sources.yml",
    "not_accepted": "correct the source, or `accepted_values` in sources.yml",
    "in_the_future": "correct the source's clock, or the column's time_zone or format "
    "in sources.yml",
    "unreadable_line": "have the file delivered again, or set options.delimiter, quote "
    "or encoding in sources.yml to what the file uses",
}


@dataclass(frozen=True)
class _Fault:
    """One way in which a column of a row can be bad."""

    column: str
    reason: str
    condition: str
    shown: str
    expected: str


@dataclass(frozen=True)
class _Delivery:
    """An attempt as SQL: where its rows are and how each column is read.

    `typed` maps each column to be admitted to its SQL. `raw` lists the columns as they
    lie in the files. `day` makes SQL of the cursor into SQL of its
    business day.
    """

    table: SourceTable
    manifest: Manifest
    relation: str
    raw: list[str]
    typed: dict[str, str]
    good: list[str]
    faults: list[_Fault]
    warnings: list[str]
    origins: dict[str, str]
    day: Callable[[str], str]

    @property
    def is_good(self) -> str:
        """SQL: true for a row without a fault, else false or NULL."""
        return " and ".join(self.good) or "true"


def admit_table(run: Run, table: str) -> None:
    """Judge the newest attempt of the run's interval, row by row, and admit it.

    Writes `admitted/…/<interval>/` (data.parquet: the declared columns in their types,
    `loaded_at`, and `row_key` for a table without a key; days.parquet; report.json)
    and `quarantine/…/<interval>/rows.parquet`.

    Raises DeliveryError, and leaves the admitted folder as it was, when the columns or
    the share of bad rows break what `sources.yml` declares.
    """
    declared = run.company.table(table)
    folder, manifest = newest_attempt(run, table)
    with run.stage("admit", table) as figures, workspace(run.admitted(table)) as work:
        _finish_swaps(run.admitted(table))
        with connect(scratch=work / "scratch") as connection:
            connection.execute("set preserve_insertion_order = false")
            delivery = _read_delivery(connection, run, declared, folder, manifest)
            built = work / "interval"
            built.mkdir()
            report = _split(connection, run, delivery, built)
        (built / "report.json").write_text(json.dumps(report, indent=2))
        _swap(built, run.admitted(table) / run.interval.slug)
        figures["rows"] = report["admitted"]
        figures["quarantined"] = report["quarantined"]
        figures["duplicates"] = report["duplicates"]
        figures["warnings"] = report["warnings"]


# --- columns --------------------------------------------------------------------------


def _read_delivery(
    connection: duckdb.DuckDBPyConnection,
    run: Run,
    table: SourceTable,
    folder: Path,
    manifest: Manifest,
) -> _Delivery:
    kinds = declared_types(connection, table)
    new, warnings = _compare_columns(table, manifest)
    for name in {*kinds, *(new if table.rules.drift.new == "evolve" else [])}:
        if name.lower() in _OWN_COLUMNS:
            raise ConfigurationError(
                f"{table.full_name}: column {name}: admission adds a column of that "
                "name; have it delivered under another one"
            )
    if manifest.rows_taken + manifest.rejects == 0:
        message = (
            f"{table.full_name}: {_names(manifest.files)}: no row for "
            f"{manifest.from_day} to {manifest.to_day}"
        )
        if table.rules.empty == "stop":
            raise DeliveryError(
                f"{message}; expected some (empty: stop in sources.yml); have it "
                "delivered again, or declare empty: warn"
            )
        warnings.append(message)
    paths = [str(folder / file.stored) for file in manifest.files]
    relation = (
        f"read_parquet([{', '.join(map(literal, paths))}], union_by_name = true, "
        "filename = '_kith_file', file_row_number = true)"
    )
    own = {ROW_NUMBER, "_kith_file", "file_row_number"}
    described = connection.execute(f"describe select * from {relation}").fetchall()
    raw = [row[0] for row in described if row[0] not in own]
    raw_types = {row[0].lower(): row[1] for row in described}
    has_numbers = any(row[0] == ROW_NUMBER for row in described)
    number = f"coalesce({ROW_NUMBER}, file_row_number + 1)"
    relation = (
        f"(select * exclude (file_row_number) replace ({number} as {ROW_NUMBER}) "
        f"from {relation})"
        if has_numbers
        else f"(select *, file_row_number + 1 as {ROW_NUMBER} from {relation})"
    )
    now = _now(run, table, kinds, manifest)
    typed: dict[str, str] = {}
    good: list[str] = []
    faults: list[_Fault] = []
    for column in table.columns:
        kind, raw_type = kinds[column.name], raw_types.get(column.name.lower())
        if raw_type is None:
            typed[column.name] = f"cast(null as {kind})"
            continue
        typed[column.name] = typed_sql(column, raw_type, kind)
        rule = _Rule(table, column, raw_type, kind, typed[column.name], now)
        good += rule.good()
        faults += rule.faults()
    if table.rules.drift.new == "evolve":
        typed |= {name: f"cast({quote(name)} as varchar)" for name in new}
    return _Delivery(
        table=table,
        manifest=manifest,
        relation=relation,
        raw=raw,
        typed=typed,
        good=good,
        faults=faults,
        warnings=warnings,
        origins=dict(zip(paths, (file.origin for file in manifest.files), strict=True)),
        day=lambda cursor: (
            cursor
            if kinds[table.rules.cursor or ""] == "DATE"
            else f"cast({cursor} at time zone 'UTC' at time zone "
            f"{literal(run.company.time_zone)} as date)"
        ),
    )


def _now(
    run: Run, table: SourceTable, kinds: dict[str, str], manifest: Manifest
) -> str | None:
    """SQL literal of the last legal cursor."""
    if table.rules.cursor is None:
        return None
    if kinds[table.rules.cursor] == "DATE":
        return f"date '{business_day(manifest.delivered_at, run.company.time_zone)}'"
    return f"timestamp '{manifest.delivered_at}'"


def _names(files: list[PulledFile]) -> str:
    names = [file.origin for file in files]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if names[3:] else "")


def _compare_columns(
    table: SourceTable, manifest: Manifest
) -> tuple[list[str], list[str]]:
    """New columns, and what to warn of.

    Raises DeliveryError where the declared policy says stop, and always when a column
    that no row may lack (key, cursor, required) is missing.
    """
    declared = [column.name for column in table.columns]
    policy = table.rules.drift
    all_new: dict[str, None] = {}
    warnings = []
    for file in manifest.files:
        if not file.has_schema and file.rows_seen == 0:
            continue
        found = list(file.columns)
        known = {name.lower() for name in declared}
        delivered = {name.lower() for name in found}
        missing = [name for name in declared if name.lower() not in delivered]
        new = [name for name in found if name.lower() not in known]
        needed = [name for name in missing if _is_required(table, table.column(name))]
        parts = []
        if missing:
            parts.append(f"missing column {', '.join(missing)}")
        if new:
            parts.append(f"new column {', '.join(new)}")
        message = (
            f"{table.full_name}: {file.origin}, header: {' and '.join(parts)}; found "
            f"{', '.join(found)}; expected {', '.join(declared)}"
        )
        if needed or (missing and policy.missing == "stop"):
            raise DeliveryError(f"{message}; {_missing_cure(table, found, needed)}")
        if new and policy.new == "stop":
            raise DeliveryError(
                f"{message}; have the column removed, declare it in sources.yml, or "
                "declare drift: {new: warn}"
            )
        if missing or (new and policy.new == "warn"):
            warnings.append(message)
        all_new |= dict.fromkeys(new)
    return list(all_new), warnings


def _missing_cure(table: SourceTable, found: list[str], needed: list[str]) -> str:
    if len(found) == 1:
        for delimiter, name in _DELIMITERS.items():
            if delimiter in found[0]:
                return (
                    f'the delimiter looks like "{delimiter}" ({name}): set '
                    "options.delimiter in sources.yml"
                )
    if needed:
        return (
            f"no row may lack {', '.join(needed)} (key, cursor or required); have the "
            "column delivered, or correct its name in sources.yml"
        )
    return (
        "have the column delivered, correct its name in sources.yml, or declare "
        "drift: {missing: warn} to go on with NULL"
    )


def _is_required(table: SourceTable, column: Column) -> bool:
    # A row without its key cannot be told from another, nor one without its cursor be
    # given a day.
    return column.rules.required or column.name in (
        *table.rules.key,
        table.rules.cursor,
    )


@dataclass(frozen=True)
class _Rule:
    """What a column of a row must satisfy, once to sift and once to explain.

    `good` reads the typed value as seldom as can be, since it is computed for every
    row; `faults` name what is wrong with the few that fail it.
    """

    table: SourceTable
    column: Column
    raw_type: str
    kind: str
    typed: str
    now: str | None

    @property
    def _limits(self) -> tuple[float | None, float | None]:
        rules = self.column.rules
        limits = (rules.minimum, rules.maximum)
        if limits != (None, None) and not is_number(self.kind):
            raise ConfigurationError(
                f"sources.yml: {self.table.full_name}: column {self.column.name}: "
                "minimum and maximum are for numbers, but its data_type is "
                f"{self.column.data_type}"
            )
        return limits

    @property
    def _accepted(self) -> str:
        return ", ".join(map(literal, self.column.rules.accepted_values or []))

    def good(self) -> Iterator[str]:
        """Conditions that all hold in a good row."""
        low, high = self._limits
        checks = []
        if low is not None and high is not None:
            checks.append(f"{self.typed} between {low:.15g} and {high:.15g}")
        elif low is not None:
            checks.append(f"{self.typed} >= {low:.15g}")
        elif high is not None:
            checks.append(f"{self.typed} <= {high:.15g}")
        if self._accepted:
            checks.append(f"cast({self.typed} as varchar) in ({self._accepted})")
        if self.column.name == self.table.rules.cursor:
            checks.append(f"{self.typed} <= {self.now}")
        fits = " and ".join(checks) or f"{self.typed} is not null"
        if _is_required(self.table, self.column):
            yield f"({fits})"
        elif checks or can_fail(self.raw_type, self.kind):
            yield f"({fits} or {given_sql(self.column, self.raw_type)} is null)"

    def faults(self) -> Iterator[_Fault]:
        """What can be wrong, in the order of asking."""
        rules, typed = self.column.rules, self.typed
        given = given_sql(self.column, self.raw_type)
        low, high = self._limits
        kind = self.kind.lower() + (
            f" as {' or '.join(rules.format)}" if rules.format else ""
        )
        if can_fail(self.raw_type, self.kind):
            unreadable = f"{typed} is null and {given} is not null"
            yield self._fault("wrong_type", unreadable, kind)
        if _is_required(self.table, self.column):
            yield self._fault("required_missing", f"{typed} is null", "a value")
        if low is not None:
            below = f"{typed} < {low:.15g}"
            yield self._fault("below_minimum", below, f">= {low:.15g}")
        if high is not None:
            above = f"{typed} > {high:.15g}"
            yield self._fault("above_maximum", above, f"<= {high:.15g}")
        if rules.accepted_values:
            other = f"cast({typed} as varchar) not in ({self._accepted})"
            listed = ", ".join(rules.accepted_values)
            yield self._fault("not_accepted", other, f"one of {listed}")
        if self.column.name == self.table.rules.cursor:
            later = f"{typed} > {self.now}"
            yield self._fault("in_the_future", later, "not later than the delivery")

    def _fault(self, reason: str, condition: str, expected: str) -> _Fault:
        shown = f"cast({quote(self.column.name)} as varchar)"
        return _Fault(
            self.column.name, reason, condition, shown, expected[:_SHOWN_CHARACTERS]
        )


# --- rows -----------------------------------------------------------------------------


def _split(
    connection: duckdb.DuckDBPyConnection, run: Run, delivery: _Delivery, built: Path
) -> dict[str, Any]:
    """Write the good rows, the bad ones and the days; returns the report.

    The usual case, a clean delivery, costs one pass over its rows and a sort of the
    hashes of its keys; only bad rows and repeated keys cost more.
    """
    manifest, table = delivery.manifest, delivery.table
    data = built / "data.parquet"
    good = _write_good_rows(connection, delivery, data)
    _find_bad_rows(connection, delivery, manifest.rows_taken - good)
    _write_quarantine(connection, run, table)
    _check_share(connection, run, delivery)
    dropped, kept = _settle_repeats(connection, delivery, data)
    _write_days(connection, delivery, built)
    return {
        "table": table.full_name,
        "interval": run.interval.slug,
        "window": manifest.window.slug,
        "attempt": manifest.attempt,
        "delivered_at": manifest.delivered_at.isoformat(timespec="microseconds"),
        "files": [file.origin for file in manifest.files],
        "rows_delivered": manifest.rows_taken + manifest.rejects,
        "rows_outside_interval": manifest.rows_before_interval
        + manifest.rows_after_interval,
        "out_of_window": manifest.rows_out_of_window,
        "late": [late.model_dump(mode="json") for late in manifest.late],
        "admitted": good - dropped,
        "quarantined": manifest.rows_taken - good + manifest.rejects,
        "duplicates": dropped,
        "exact_duplicates_kept": kept,
        "warnings": delivery.warnings,
    }


def _fingerprint(expressions: Iterable[str]) -> str:
    texts = ", ".join(f"cast({expression} as varchar)" for expression in expressions)
    return f"md5(cast(json_array({texts}) as varchar))"


def _write_good_rows(
    connection: duckdb.DuckDBPyConnection, delivery: _Delivery, data: Path
) -> int:
    """Write the rows without a fault, and count them."""
    table = delivery.table
    typed = ", ".join(f"{sql} as {quote(name)}" for name, sql in delivery.typed.items())
    row_key = ""
    if not table.rules.key:
        # New columns are left out: they must not make known rows into other ones.
        declared = [quote(column.name) for column in table.columns]
        row_key = f", {_fingerprint(declared)} || '-1' as row_key"
    query = f"""
        select
            *, timestamp '{delivery.manifest.delivered_at}' as loaded_at{row_key}
        from (select {typed} from {delivery.relation} where {delivery.is_good})
    """
    with reading(f"{table.full_name}: {_names(delivery.manifest.files)}"):
        return _write(connection, query, data)


def _write(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> int:
    (count,) = fetch_row(
        connection,
        f"copy ({query}) to {literal(str(path))} (format parquet, compression zstd)",
    )
    return int(count)


def _shown(text: str) -> str:
    """SQL of a delivered value as people may see it, in quarantine and in messages."""
    return f"left({text}, {_SHOWN_CHARACTERS})"


def _find_bad_rows(
    connection: duckdb.DuckDBPyConnection, delivery: _Delivery, bad_count: int
) -> None:
    """Collect bad rows and unreadable lines in a table `bad_rows`.

    Of several faults of a row the first counts, in the order of declared columns.
    """
    table, manifest = delivery.table, delivery.manifest
    connection.execute(
        """
        create temp table bad_rows (
            file varchar, row_number bigint, column_name varchar, reason varchar,
            value varchar, expected varchar, payload_hash varchar, day date
        )
        """
    )
    if bad_count:
        fault = " ".join(
            f"when {fault.condition} then {{'column_name': {literal(fault.column)}, "
            f"'reason': {literal(fault.reason)}, 'value': {_shown(fault.shown)}, "
            f"'expected': {literal(fault.expected)}}}"
            for fault in delivery.faults
        )
        cursor = table.rules.cursor
        day = delivery.day(delivery.typed[cursor]) if cursor else "cast(null as date)"
        connection.execute(
            f"""
            insert into bad_rows
            select file, row_number, fault.column_name, fault.reason, fault.value,
                fault.expected, payload_hash, day
            from (
                select _kith_file as file, {ROW_NUMBER} as row_number,
                    case {fault} end as fault,
                    {_fingerprint(map(quote, delivery.raw))} as payload_hash,
                    {day} as day
                from {delivery.relation}
                where ({delivery.is_good}) is not true
            )
            """
        )
        for path, origin in delivery.origins.items():
            connection.execute(
                "update bad_rows set file = $origin where file = $path",
                {"origin": origin, "path": path},
            )
    folder = Path(next(iter(delivery.origins))).parent
    for file in manifest.files:
        if file.rejects_stored:
            connection.execute(
                f"""
                insert into bad_rows
                select {literal(file.origin)}, row_number, null, 'unreadable_line',
                    {_shown("text")}, error, md5(text), null
                from read_parquet({literal(str(folder / file.rejects_stored))})
                """
            )


def _write_quarantine(
    connection: duckdb.DuckDBPyConnection, run: Run, table: SourceTable
) -> None:
    """Keep the bad rows, also when the delivery is about to be refused."""
    path = run.quarantine(table.full_name) / run.interval.slug / "rows.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(".rows.parquet")
    _write(
        connection,
        f"select {literal(table.source)} as source_name, "
        f"{literal(table.name)} as table_name, * from bad_rows "
        "order by file, row_number",
        unfinished,
    )
    unfinished.replace(path)


def _check_share(
    connection: duckdb.DuckDBPyConnection, run: Run, delivery: _Delivery
) -> None:
    """Raise DeliveryError when too many rows are bad.

    Rows of no day (unreadable, without a legible cursor, in the future) come again
    with each interval of their file, so that they are measured against the whole file,
    the others against the rows of the interval.
    """
    table, manifest = delivery.table, delivery.manifest
    is_dated = "true"
    if table.rules.cursor:
        is_dated = (
            f"coalesce(day between '{manifest.window.from_day}' "
            f"and '{manifest.window.to_day}', false)"
        )
    (undated,) = fetch_row(
        connection, f"select count(*) from bad_rows where not {is_dated}"
    )
    limit = table.rules.quarantine_limit_pct
    for condition, rows in (
        (is_dated, manifest.rows_taken + manifest.rejects - undated),
        (f"not {is_dated}", manifest.rows_seen + manifest.rejects),
    ):
        bad = f"from bad_rows where {condition}"
        (count,) = fetch_row(connection, f"select count(*) {bad}")
        if count * 100 <= limit * rows:
            continue
        column, reason, file, numbers, value, expected = fetch_row(
            connection,
            f"""
            select column_name, reason, file, list(row_number order by row_number)[:3],
                arg_min(coalesce(value, 'NULL'), row_number),
                arg_min(expected, row_number)
            {bad}
            group by column_name, reason, file
            order by count(*) desc, file, column_name, reason
            limit 1
            """,
        )
        place = f"column {column}: {reason}" if column else reason
        cure = _CURES[reason]
        if reason == "unreadable_line" and "ENCODING" in expected:
            cure = (
                "the file is not in the declared encoding: set options.encoding in "
                "sources.yml, e.g. latin-1"
            )
        raise DeliveryError(
            f"{table.full_name}: {file}, row {', '.join(map(str, numbers))}"
            f"{' …' if count > 3 else ''}: {place}, found {value!r}, expected "
            f"{expected}; {count} of {rows} rows are bad ({count * 100 / rows:.3g} %), "
            f"over quarantine_limit_pct {limit:g}; {cure}; all bad rows lie in "
            f"{run.quarantine(table.full_name) / run.interval.slug / 'rows.parquet'}"
        )


def _settle_repeats(
    connection: duckdb.DuckDBPyConnection, delivery: _Delivery, data: Path
) -> tuple[int, int]:
    """Leave each key once in `data`; returns how many rows were dropped and kept.

    Of the rows of a key the one with the latest cursor wins, and of those the one with
    the greatest content, so that the order of delivery does not matter. Equal rows of
    a table without a key are told apart by a number, or dropped where declared. The
    days of dropped rows stand in a table `dropped` afterwards.
    """
    table = delivery.table
    connection.execute("create temp table dropped (day date)")
    rows = f"read_parquet({literal(str(data))})"
    key = ", ".join(map(quote, table.rules.key or ["row_key"]))
    # Sorting the hashes takes half the time and memory of grouping by the keys.
    connection.execute(
        f"""
        create temp table repeated as
        select distinct hashed
        from (
            select hashed, lag(hashed) over (order by hashed) as previous
            from (select hash({key}) as hashed from {rows})
        )
        where hashed = previous
        """
    )
    if fetch_row(connection, "select count(*) from repeated") == (0,):
        return 0, 0
    cursor = table.rules.cursor
    latest = f"{quote(cursor)} desc, " if cursor else ""
    connection.execute(
        f"""
        create temp table ranked as
        select *, row_number() over (
            partition by {key}
            order by {latest}{_fingerprint(map(quote, delivery.typed))} desc
        ) as _kith_rank
        from {rows}
        where hash({key}) in (from repeated)
        """
    )
    (surplus,) = fetch_row(
        connection, "select count(*) from ranked where _kith_rank > 1"
    )
    is_dropped = bool(table.rules.key) or table.rules.drop_exact_duplicates
    chosen = (
        "* exclude (_kith_rank) from ranked where _kith_rank = 1"
        if is_dropped
        else "* exclude (_kith_rank) replace "
        "(left(row_key, 33) || _kith_rank as row_key) from ranked"
    )
    settled = data.with_name("settled.parquet")
    _write(
        connection,
        f"select * from {rows} where hash({key}) not in (from repeated) "
        f"union all by name select {chosen}",
        settled,
    )
    settled.replace(data)
    if not is_dropped:
        return 0, surplus
    if cursor:
        connection.execute(
            f"insert into dropped select {delivery.day(quote(cursor))} from ranked "
            "where _kith_rank > 1"
        )
    else:
        connection.execute(f"insert into dropped select null from range({surplus})")
    return surplus, 0


def _write_days(
    connection: duckdb.DuckDBPyConnection, delivery: _Delivery, built: Path
) -> None:
    """Count rows by business day: each day of the window, or one for a snapshot."""
    rows = f"read_parquet({literal(str(built / 'data.parquet'))})"
    window = delivery.manifest.window
    first, last = window.from_day, window.to_day
    cursor = delivery.table.rules.cursor
    if cursor:
        # By the minute first: converting each row's instant would take longer than
        # all the rest.
        counted = f"""
            select
                cast({delivery.day("minute")} as date) as day,
                sum(row_count) as row_count
            from (
                select date_trunc('minute', {quote(cursor)}) as minute,
                    count(*) as row_count
                from {rows} group by minute
            )
            group by day
        """
        bad, dropped = "day", "day"
    else:
        first = last
        counted = f"select date '{last}' as day, count(*) as row_count from {rows}"
        bad, dropped = f"date '{last}'", f"date '{last}'"
    _write(
        connection,
        f"""
        select
            days.day,
            cast(coalesce(row_count, 0) as bigint) as row_count,
            coalesce(quarantined_count, 0) as quarantined_count,
            coalesce(duplicate_count, 0) as duplicate_count
        from (
            select cast(unnest(generate_series(
                date '{first}', date '{last}', interval 1 day
            )) as date) as day
        ) as days
        left join ({counted}) using (day)
        left join (
            select {bad} as day, count(*) as quarantined_count
            from bad_rows group by all
        ) using (day)
        left join (
            select {dropped} as day, count(*) as duplicate_count
            from dropped group by all
        ) using (day)
        order by days.day
        """,
        built / "days.parquet",
    )


# --- folders --------------------------------------------------------------------------


def _swap(built: Path, target: Path) -> None:
    """Put a folder in the place of another."""
    old = target.with_name(f".{target.name}.old")
    if target.exists():
        target.rename(old)
    move_durably(built, target)
    shutil.rmtree(old, ignore_errors=True)


def _finish_swaps(folder: Path) -> None:
    """Undo or end swaps of a process that was killed in between."""
    for old in folder.glob(".*.old"):
        target = old.with_name(old.name[1:].removesuffix(".old"))
        if target.exists():
            shutil.rmtree(old)
        else:
            old.rename(target)
