"""Admit: let through what keeps the declaration in `sources.yml`, keep the rest apart.

Every delivered row ends in exactly one place: admitted, quarantined (with the reason
and the place it came from) or counted as a duplicate. A delivery that is mostly bad is
refused as a whole, and what was admitted before for the interval stays in force.
"""

import datetime as dt
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb

from kith.admit.drift import compare_types
from kith.admit.faults import CURES, SHOWN_CHARACTERS
from kith.admit.judge import Attempt, read_attempt
from kith.admit.volume import check_days, check_snapshot
from kith.company.tables import SourceTable
from kith.database import PARQUET, connect, fetch_row, literal, parquet_sql, quote
from kith.deliveries.admitted import (
    DATA,
    FORMER,
    Delivery,
    all_deliveries,
    declaration_id,
)
from kith.deliveries.columns import ROW_NUMBER
from kith.deliveries.raw import newest_attempt, workspace
from kith.errors import DeliveryError
from kith.runs.run import Run
from kith.storage import move_durably, syncing

# Enough to know what is usual, and few enough to be read each time.
_EARLIER_DELIVERIES = 60


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
            # The one makes a join of each list of five tokens or more, one per column;
            # the other moves the filter on typed values below them, so that each value
            # would be computed twice.
            connection.execute("set disabled_optimizers = 'in_clause, filter_pushdown'")
            attempt = read_attempt(connection, run, declared, folder, manifest)
            built = work / "interval"
            built.mkdir()
            report = _split(connection, run, attempt, built)
        (built / "report.json").write_text(json.dumps(report, indent=2))
        _swap(built, run.admitted(table) / run.interval.slug)
        figures["rows"] = report["admitted"]
        figures["quarantined"] = report["quarantined"]
        figures["duplicates"] = report["duplicates"]
        figures["warnings"] = report["warnings"]


# --- rows -----------------------------------------------------------------------------


def _split(
    connection: duckdb.DuckDBPyConnection, run: Run, attempt: Attempt, built: Path
) -> dict[str, Any]:
    """Write the good rows, the bad ones and the days; returns the report.

    The usual case, a clean delivery, costs one pass over its rows and a sort of the
    hashes of its keys; only bad rows and repeated keys cost more.
    """
    manifest, table = attempt.manifest, attempt.table
    # Not the one that this one replaces when the same attempt is judged anew.
    earlier = [
        delivery
        for delivery in all_deliveries(run, table)
        if delivery.delivered_at < manifest.delivered_at
    ][-_EARLIER_DELIVERIES:]
    if earlier:
        raw_types = earlier[-1].report.get("raw_types", {})
        attempt.warnings.extend(compare_types(table, attempt.raw, raw_types))
    data = built / DATA
    good = _write_good_rows(connection, attempt, data)
    _find_bad_rows(connection, attempt, manifest.rows_taken - good)
    _write_quarantine(connection, run, table)
    _check_share(connection, run, attempt)
    with syncing(data):
        dropped, kept = _settle_repeats(connection, attempt, built)
    _write_days(connection, attempt, built)
    attempt.warnings.extend(_check_volume(connection, attempt, built, earlier))
    if kept:
        attempt.warnings.append(
            f"{table.full_name}: {kept} rows equal to others were kept; declare a key, "
            "or drop_exact_duplicates, if they are no rows of their own"
        )
    return {
        "table": table.full_name,
        "interval": run.interval.slug,
        "window": manifest.window.slug,
        "attempt": manifest.attempt,
        "declaration": declaration_id(table),
        "key_id": manifest.key_id,
        "delivered_at": manifest.delivered_at.isoformat(timespec="microseconds"),
        "files": [file.origin for file in manifest.files],
        "rows_delivered": manifest.rows_taken + manifest.rejects,
        "rows_outside_interval": manifest.rows_before_interval
        + manifest.rows_after_interval,
        "out_of_window": manifest.rows_out_of_window,
        "late": [late.model_dump(mode="json") for late in manifest.late],
        "missed": manifest.missed and manifest.missed.model_dump(mode="json"),
        "admitted": good - dropped,
        "quarantined": manifest.rows_taken - good + manifest.rejects,
        "duplicates": dropped,
        "exact_duplicates_kept": kept,
        "raw_types": attempt.raw,
        "warnings": attempt.warnings,
    }


def _check_volume(
    connection: duckdb.DuckDBPyConnection,
    attempt: Attempt,
    built: Path,
    earlier: list[Delivery],
) -> list[str]:
    """What to warn of; raises DeliveryError where the size stops the run."""
    table, manifest = attempt.table, attempt.manifest
    if not table.rules.cursor:
        rows = manifest.rows_taken + manifest.rejects
        before = [int(each.report["rows_delivered"]) for each in earlier]
        return check_snapshot(table, rows, before)

    def days(folders: list[Path]) -> list[tuple[dt.date, int]]:
        return connection.execute(
            "select day, row_count + quarantined_count + duplicate_count "
            f"from {parquet_sql(*(folder / 'days.parquet' for folder in folders))}"
        ).fetchall()

    if not earlier:
        return []
    return check_days(
        table, dict(days([built])), days([each.folder for each in earlier])
    )


def _fingerprint(expressions: Iterable[str]) -> str:
    texts = ", ".join(f"cast({expression} as varchar)" for expression in expressions)
    return f"md5(cast(json_array({texts}) as varchar))"


def _write_good_rows(
    connection: duckdb.DuckDBPyConnection,
    attempt: Attempt,
    data: Path,
) -> int:
    """Write the rows without a fault, and count them."""
    table = attempt.table
    good = " union all by name ".join(
        "select "
        + ", ".join(f"{sql} as {quote(name)}" for name, sql in part.typed.items())
        + f" from {part.rows('_kith_good')}"
        for part in attempt.parts
    )
    row_key = ""
    if not table.rules.key:
        # New columns are left out: they must not make known rows into other ones.
        declared = [quote(column.name) for column in table.columns]
        row_key = f", {_fingerprint(declared)} || '-1' as row_key"
    query = f"""
        select
            *, timestamp '{attempt.manifest.delivered_at}' as loaded_at{row_key}
        from ({good})
    """
    with attempt.reading():
        return _write(connection, query, data)


def _write(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> int:
    (count,) = fetch_row(
        connection,
        f"copy ({query}) to {literal(str(path))} ({PARQUET})",
    )
    return int(count)


def _find_bad_rows(
    connection: duckdb.DuckDBPyConnection,
    attempt: Attempt,
    bad_count: int,
) -> None:
    """Collect bad rows and unreadable lines in a table `bad_rows`.

    Of several faults of a row the first counts, in the order of declared columns.
    """
    table, manifest = attempt.table, attempt.manifest
    connection.execute(
        """
        create temp table bad_rows (
            file varchar, row_number bigint, column_name varchar, reason varchar,
            value varchar, expected varchar, payload_hash varchar, day date
        )
        """
    )
    for part in attempt.parts if bad_count else []:
        fault = " ".join(
            f"when {fault.condition} then {{'column_name': {literal(fault.column)}, "
            f"'reason': {literal(fault.reason)}, 'value': {fault.shown}, "
            f"'expected': {literal(fault.expected)}}}"
            for fault in part.faults
        )
        cursor = table.rules.cursor
        day = attempt.day(part.typed[cursor]) if cursor else "cast(null as date)"
        connection.execute(
            f"""
            insert into bad_rows
            select file, row_number, fault.column_name, fault.reason, fault.value,
                fault.expected, payload_hash, day
            from (
                select _kith_file as file, {ROW_NUMBER} as row_number,
                    case {fault} end as fault,
                    {_fingerprint(map(quote, part.raw))} as payload_hash,
                    {day} as day
                from {part.rows("_kith_good is not true")}
            )
            """
        )
    for path, origin in attempt.origins.items() if bad_count else []:
        connection.execute(
            "update bad_rows set file = $origin where file = $path",
            {"origin": origin, "path": path},
        )
    folder = Path(next(iter(attempt.origins))).parent
    for file in manifest.files:
        if file.rejects_stored:
            connection.execute(
                f"""
                insert into bad_rows
                select {literal(file.origin)}, row_number, null, 'unreadable_line',
                    left(text, {SHOWN_CHARACTERS}), error, md5(text), null
                from {parquet_sql(folder / file.rejects_stored)}
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
    connection: duckdb.DuckDBPyConnection, run: Run, attempt: Attempt
) -> None:
    """Raise DeliveryError when too many rows are bad.

    Rows of no day (unreadable, without a legible cursor, in the future) come again
    with each interval of their file, so that they are measured against the whole file,
    the others against the rows of the interval.
    """
    table, manifest = attempt.table, attempt.manifest
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
        cure = CURES[reason]
        if column and reason == "wrong_type" and table.column(column).rules.pii:
            cure = "correct the source, or pii or phone_region in sources.yml"
        if reason == "unreadable_line" and "ENCODING" in expected:
            cure = (
                "the file is not in the declared encoding: set options.encoding in "
                "sources.yml, e.g. cp1252 (Windows)"
            )
        raise DeliveryError(
            f"{table.full_name}: {file}, row {', '.join(map(str, numbers))}"
            f"{' …' if count > 3 else ''}: {place}, found {value!r}, expected "
            f"{expected}; {count} of {rows} rows are bad ({count * 100 / rows:.3g} %), "
            f"over quarantine_limit_pct {limit:g}; {cure}; all bad rows lie in "
            f"{run.quarantine(table.full_name) / run.interval.slug / 'rows.parquet'}"
        )


def _settle_repeats(
    connection: duckdb.DuckDBPyConnection,
    attempt: Attempt,
    built: Path,
) -> tuple[int, int]:
    """Leave each key once; returns how many rows were dropped and kept.

    Of the rows of a key the one with the latest cursor wins, and of those the one with
    the greatest content, so that the order of delivery does not matter. Of each former
    day of its key one is kept in `FORMER`. Equal rows of a table without a key are told
    apart by a number, or dropped where declared. The days of dropped rows, also of
    former ones, stand in a table `dropped` afterwards.
    """
    table = attempt.table
    connection.execute("create temp table dropped (day date)")
    data, settled = built / DATA, built / "settled.parquet"
    rows = parquet_sql(data)
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
    order = f"{latest}{_fingerprint(map(quote, attempt.parts[0].typed))} desc"
    day = attempt.day(quote(cursor)) if cursor else "null"
    connection.execute(
        f"""
        create temp table ranked as
        select
            *,
            row_number() over (partition by {key} order by {order}) as _kith_rank,
            row_number() over (
                partition by {key}, {day} order by {order}
            ) as _kith_rank_of_day
        from {rows}
        where hash({key}) in (from repeated)
        """
    )
    (surplus,) = fetch_row(
        connection, "select count(*) from ranked where _kith_rank > 1"
    )
    is_dropped = bool(table.rules.key) or table.rules.drop_exact_duplicates
    own = "_kith_rank, _kith_rank_of_day"
    chosen = (
        f"* exclude ({own}) from ranked where _kith_rank = 1"
        if is_dropped
        else f"* exclude ({own}) replace "
        "(left(row_key, 33) || _kith_rank as row_key) from ranked"
    )
    _write(
        connection,
        f"select * from {rows} where hash({key}) not in (from repeated) "
        f"union all by name select {chosen}",
        settled,
    )
    settled.replace(data)
    former = "from ranked where _kith_rank > 1 and _kith_rank_of_day = 1"
    if fetch_row(connection, f"select count(*) {former}") != (0,):
        _write(connection, f"select * exclude ({own}) {former}", built / FORMER)
    if not is_dropped:
        return 0, surplus
    if cursor:
        connection.execute(
            f"insert into dropped select {day} from ranked where _kith_rank > 1"
        )
    else:
        connection.execute(f"insert into dropped select null from range({surplus})")
    return surplus, 0


def _write_days(
    connection: duckdb.DuckDBPyConnection,
    attempt: Attempt,
    built: Path,
) -> None:
    """Count rows by business day: each day of the window, or one for a snapshot."""
    rows = parquet_sql(built / DATA)
    window = attempt.manifest.window
    first, last = window.from_day, window.to_day
    cursor = attempt.table.rules.cursor
    if cursor:
        # By the quarter of an hour first, which no zone has parted since 1972:
        # converting each row's instant would take longer than all the rest.
        quarter = f"epoch_us(cast({quote(cursor)} as timestamp)) // 900000000"
        instant = "make_timestamp(_kith_quarter * 900000000)"
        counted = f"""
            select
                cast({attempt.day(instant)} as date) as day,
                sum(row_count) as row_count,
                cast(max(newest_at) as timestamp) as newest_at
            from (
                select {quarter} as _kith_quarter,
                    count(*) as row_count, max({quote(cursor)}) as newest_at
                from {rows} group by _kith_quarter
            )
            group by day
        """
        bad, dropped = "day", "day"
    else:
        first = last
        counted = (
            f"select date '{last}' as day, count(*) as row_count, "
            f"cast(null as timestamp) as newest_at from {rows}"
        )
        bad, dropped = f"date '{last}'", f"date '{last}'"
    _write(
        connection,
        f"""
        select
            days.day,
            cast(coalesce(row_count, 0) as bigint) as row_count,
            coalesce(quarantined_count, 0) as quarantined_count,
            coalesce(duplicate_count, 0) as duplicate_count,
            newest_at
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
