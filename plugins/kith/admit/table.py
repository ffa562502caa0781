"""Admit: let through what keeps the declaration in `sources.yml`, keep the rest apart.

Every delivered row ends in exactly one place: admitted, quarantined (with the reason
and the place it came from) or counted as a duplicate. A delivery that is mostly bad is
refused as a whole, and what was admitted before for the interval stays in force.
"""

import datetime as dt
import json
import shutil
from pathlib import Path
from typing import Any

import duckdb

from kith.admit.drift import compare_types
from kith.admit.judge import Attempt, fingerprint, read_attempt
from kith.admit.quarantine import write_quarantine
from kith.admit.volume import check_days, check_snapshot
from kith.database import connect, fetch_row, parquet_sql, quote, write_parquet
from kith.deliveries.admitted import (
    DATA,
    FORMER,
    Delivery,
    all_deliveries,
    declaration_id,
)
from kith.deliveries.business_days import row_day_sql
from kith.deliveries.raw import newest_attempt, workspace
from kith.deliveries.repeats import find_repeated, key_hash
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
            report = _split(connection, run, attempt, folder, built)
        (built / "report.json").write_text(json.dumps(report, indent=2))
        _swap(built, run.admitted(table) / run.interval.slug)
        figures["rows"] = report["admitted"]
        figures["quarantined"] = report["quarantined"]
        figures["duplicates"] = report["duplicates"]
        figures["warnings"] = report["warnings"]


# --- rows -----------------------------------------------------------------------------


def _split(
    connection: duckdb.DuckDBPyConnection,
    run: Run,
    attempt: Attempt,
    folder: Path,
    built: Path,
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
        raw_types = earlier[-1].report["raw_types"]
        attempt.warnings.extend(compare_types(table, attempt.raw, raw_types))
    data = built / DATA
    good = _write_good_rows(connection, attempt, data)
    write_quarantine(connection, run, attempt, folder, manifest.rows_taken - good)
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


def _write_good_rows(
    connection: duckdb.DuckDBPyConnection, attempt: Attempt, data: Path
) -> int:
    """Write the rows without a fault, and count them."""
    table = attempt.table
    row_key = ""
    if not table.rules.key:
        # New columns are left out: they must not make known rows into other ones.
        declared = [quote(column.name) for column in table.columns]
        row_key = f", {fingerprint(declared)} || '-1' as row_key"
    with attempt.reading():
        return write_parquet(
            connection,
            f"""
            select
                {", ".join(map(quote, attempt.columns))},
                timestamp '{attempt.manifest.delivered_at}' as loaded_at{row_key}
            from {attempt.judged} where _kith_good
            """,
            data,
        )


def _settle_repeats(
    connection: duckdb.DuckDBPyConnection, attempt: Attempt, built: Path
) -> tuple[int, int]:
    """Leave each key once; returns how many rows were dropped and kept.

    Of the rows of a key the one with the latest cursor wins, and of those the one with
    the greatest content, so that the order of delivery does not matter. Of each former
    day of its key one is kept in `FORMER`. Equal rows of a table without a key are told
    apart by a number, or dropped where declared. The days of dropped rows, also of
    former ones, stand in a table `dropped` afterwards.
    """
    table, rules = attempt.table, attempt.table.rules
    data, settled = built / DATA, built / "settled.parquet"
    rows = parquet_sql(data)
    key = rules.key or ["row_key"]
    connection.execute("create temp table dropped (day date)")
    if not find_repeated(connection, "repeated", rows, key):
        return 0, 0
    latest = f"{quote(rules.cursor)} desc, " if rules.cursor else ""
    order = f"{latest}{fingerprint(map(quote, attempt.columns))} desc"
    columns = ", ".join(map(quote, key))
    day = row_day_sql(table, attempt.time_zone, attempt.manifest.window)
    connection.execute(
        f"""
        create temp table ranked as
        select
            *,
            row_number() over (partition by {columns} order by {order}) as _kith_rank,
            row_number() over (
                partition by {columns}, {day} order by {order}
            ) as _kith_rank_of_day
        from {rows}
        where {key_hash(key)} in (from repeated)
        """
    )
    is_dropped = bool(rules.key) or rules.drop_exact_duplicates
    chosen = (
        "* exclude (_kith_rank, _kith_rank_of_day) from ranked where _kith_rank = 1"
        if is_dropped
        else "* exclude (_kith_rank, _kith_rank_of_day) "
        "replace (left(row_key, 33) || _kith_rank as row_key) from ranked"
    )
    write_parquet(
        connection,
        f"select * from {rows} where {key_hash(key)} not in (from repeated) "
        f"union all by name select {chosen}",
        settled,
    )
    settled.replace(data)
    former = (
        "select * exclude (_kith_rank, _kith_rank_of_day) "
        "from ranked where _kith_rank > 1 and _kith_rank_of_day = 1"
    )
    if connection.execute(f"{former} limit 1").fetchall():
        write_parquet(connection, former, built / FORMER)
    later = f"select {day} from ranked where _kith_rank > 1"
    if not is_dropped:
        (kept,) = fetch_row(connection, f"select count(*) from ({later})")
        return 0, kept
    (dropped,) = fetch_row(connection, f"insert into dropped {later}")
    return dropped, 0


def _write_days(
    connection: duckdb.DuckDBPyConnection, attempt: Attempt, built: Path
) -> None:
    """Count rows by business day: each day of the window, or one for a snapshot."""
    window, cursor = attempt.manifest.window, attempt.table.rules.cursor
    day = row_day_sql(attempt.table, attempt.time_zone, window)
    bad_day, newest, first = "day", f"max({quote(cursor or '')})", window.from_day
    if not cursor:
        day = bad_day = f"date '{window.to_day}'"
        newest, first = "null", window.to_day
    write_parquet(
        connection,
        f"""
        select
            days.day,
            coalesce(row_count, 0) as row_count,
            coalesce(quarantined_count, 0) as quarantined_count,
            coalesce(duplicate_count, 0) as duplicate_count,
            newest_at
        from (
            select cast(unnest(generate_series(
                date '{first}', date '{window.to_day}', interval 1 day
            )) as date) as day
        ) as days
        left join (
            select {day} as day, count(*) as row_count,
                cast({newest} as timestamp) as newest_at
            from {parquet_sql(built / DATA)} group by all
        ) using (day)
        left join (
            select {bad_day} as day, count(*) as quarantined_count
            from bad_rows group by all
        ) using (day)
        left join (
            select {bad_day} as day, count(*) as duplicate_count
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
