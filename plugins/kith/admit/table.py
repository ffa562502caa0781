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
from kith.admit.judge import Attempt, read_attempt
from kith.admit.losses import find_losses
from kith.admit.quarantine import create_bad_rows, write_quarantine
from kith.admit.reach import unreached_rows
from kith.admit.repeats import row_key, settle_repeats
from kith.admit.spellings import (
    warn_of_floats,
    warn_of_held_rows,
    warn_of_open_ends,
    warn_of_unread,
)
from kith.admit.totals import warn_of_totals
from kith.admit.volume import check_days, check_snapshot
from kith.database import connect, parquet_sql, quote, write_parquet
from kith.deliveries.admitted import (
    DATA,
    Delivery,
    all_deliveries,
    declaration_id,
)
from kith.deliveries.business_days import row_day_sql
from kith.deliveries.raw import is_suppressing, newest_attempt, workspace
from kith.deliveries.taken import note_judged
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
    with run.stage("admit", table) as figures, workspace(run.admitted(table)) as work:
        folder, manifest = newest_attempt(run, table)
        if is_suppressing(run.folder):
            from kith.pull.suppression import clean_attempt

            manifest = clean_attempt(run, declared, folder, manifest)
        finish_swaps(run.admitted(table))
        # Told whether it is admitted or refused.
        figures["interval"] = run.interval.slug
        figures["attempt"] = manifest.attempt
        note_judged(run, declared, manifest.attempt)
        with connect(scratch=work / "scratch") as connection:
            connection.execute("set preserve_insertion_order = false")
            # The one makes a join of each list of five tokens or more, one per column;
            # the other moves the filter on typed values below them, so that each value
            # would be computed twice.
            connection.execute("set disabled_optimizers = 'in_clause, filter_pushdown'")
            attempt = read_attempt(connection, run, declared, folder, manifest)
            built = work / "interval"
            built.mkdir()
            report, refused = _split(connection, run, attempt, folder, built)
        (built / "report.json").write_text(json.dumps(report, indent=2))
        swap(built, run.admitted(table) / run.interval.slug)
        figures["rows"] = report["admitted"]
        figures["quarantined"] = report["quarantined"]
        figures["duplicates"] = report["duplicates"] - report["replaced"]
        figures["replaced"] = report["replaced"]
        figures["warnings"] = report["warnings"]
        figures["refused"] = refused
        if report["suppressed_rows"]:
            figures["suppressed"] = report["suppressed_rows"]


# --- rows -----------------------------------------------------------------------------


def _split(
    connection: duckdb.DuckDBPyConnection,
    run: Run,
    attempt: Attempt,
    folder: Path,
    built: Path,
) -> tuple[dict[str, Any], list[str]]:
    """Write the good rows, the bad ones and the days; returns the report.

    Beside it stands what to tell of the bad rows.

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
    attempt.warnings.extend(warn_of_open_ends(table, manifest.files, earlier))
    attempt.warnings.extend(warn_of_held_rows(table, manifest.files))
    data = built / DATA
    good = _write_good_rows(connection, attempt, data)
    create_bad_rows(connection)
    with syncing(data):
        repeats = settle_repeats(connection, attempt, built)
    bad_count = manifest.rows_taken - good
    refused = write_quarantine(connection, run, attempt, folder, built, bad_count)
    admitted = parquet_sql(data)
    attempt.warnings.extend(warn_of_floats(connection, table, admitted))
    attempt.warnings.extend(warn_of_unread(connection, attempt))
    attempt.warnings.extend(warn_of_totals(connection, attempt, admitted))
    _write_days(connection, attempt, built)
    attempt.warnings.extend(_check_volume(connection, attempt, built, earlier))
    losses = find_losses(connection, run, attempt, built)
    attempt.warnings.extend(losses)
    attempt.warnings.extend(unreached_rows(run.company, table, manifest))
    attempt.warnings.extend(
        f"{table.full_name}: {file.origin} holds the same rows as {file.same_as}; they "
        "count once; have one of the two files taken away"
        for file in manifest.files
        if file.same_as
    )
    attempt.warnings.extend(repeats.warnings)
    report = {
        "table": table.full_name,
        "interval": run.interval.slug,
        "window": manifest.window.slug,
        "attempt": manifest.attempt,
        "declaration": declaration_id(table),
        "is_snapshot": not table.rules.cursor,
        "key_id": manifest.key_id,
        "delivered_at": manifest.delivered_at.isoformat(timespec="microseconds"),
        "files": [file.origin for file in manifest.files],
        "file_days": {
            file.origin: file.named_at.date().isoformat()
            for file in manifest.files
            if file.named_at
        },
        "ends_open": any(file.ends_open for file in manifest.files),
        "rows_delivered": manifest.rows_taken + manifest.rejects,
        "rows_outside_interval": manifest.rows_before_interval
        + manifest.rows_after_interval,
        "out_of_window": manifest.rows_out_of_window,
        "unreached": {
            file.origin: file.unreached.rows
            for file in manifest.files
            if file.unreached
        },
        "late": [late.model_dump(mode="json") for late in manifest.late],
        "missed": manifest.missed and manifest.missed.model_dump(mode="json"),
        "admitted": good - repeats.dropped - repeats.refused,
        "quarantined": bad_count + repeats.refused + manifest.rejects,
        "duplicates": repeats.dropped,
        "replaced": repeats.replaced,
        "exact_duplicates_kept": repeats.kept,
        "suppressed_rows": manifest.suppressed_rows,
        "suppressed_days": {
            day.isoformat(): rows for day, rows in manifest.suppressed_days.items()
        },
        "raw_types": attempt.raw,
        "losses": losses,
        "warnings": attempt.warnings,
    }
    return report, refused


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
    key = "" if table.rules.key else f", {row_key(table)} as row_key"
    with attempt.reading():
        return write_parquet(
            connection,
            f"""
            select
                {", ".join(map(quote, attempt.columns))},
                timestamp '{attempt.manifest.delivered_at}' as loaded_at{key}
            from {attempt.judged} where _kith_good
            """,
            data,
        )


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


def swap(built: Path, target: Path) -> None:
    """Put a folder in the place of another."""
    old = target.with_name(f".{target.name}.old")
    if target.exists():
        target.rename(old)
    move_durably(built, target)
    shutil.rmtree(old, ignore_errors=True)


def finish_swaps(folder: Path) -> None:
    """Undo or end swaps of a process that was killed in between."""
    for old in folder.glob(".*.old"):
        target = old.with_name(old.name[1:].removesuffix(".old"))
        if target.exists():
            shutil.rmtree(old)
        else:
            old.rename(target)
