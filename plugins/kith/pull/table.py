"""Pull: land what a source delivers for an interval, as it came, once and for all.

Each pull is an attempt of its own: `raw/<source>/<table>/<interval>/<attempt>/`. An
attempt is complete when its `manifest.json` is there, and is never changed again.
"""

import datetime as dt
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path

import duckdb

from kith.company.tables import SourceTable
from kith.database import (
    connect,
    fetch_row,
    file_literal,
    parquet_sql,
    write_parquet,
)
from kith.deliveries.admitted import Delivery, admitted_deliveries, find_missed, past_of
from kith.deliveries.columns import ROW_NUMBER, is_personal
from kith.deliveries.raw import (
    Manifest,
    MissedRows,
    PulledFile,
    is_suppressing,
    reading,
    workspace,
)
from kith.pull.connections import Connection, environment_connection
from kith.pull.connectors.request import Fetched, FetchRequest, check_unchanged
from kith.pull.twins import find_twins
from kith.pull.windows import Share, share, window_of
from kith.runs.run import Interval, Run
from kith.storage import move_durably, sha256, syncing

_CONNECTORS = {
    "files": "kith.pull.connectors.files",
    "sql": "kith.pull.connectors.sql",
    "rest": "kith.pull.connectors.rest",
}


def pull_table(
    run: Run,
    table: str,
    find_connection: Callable[[str], Connection] = environment_connection,
) -> None:
    """Land the rows of one source table for the run's interval.

    A table with a cursor gives the rows of the interval and its look-back, and also
    those whose cursor is missing, unreadable or later than the clock: no interval would
    ever take them, so each shows them to admission. A table without a cursor is landed
    whole. Identifiers are stored as their hashes.

    Raises DeliveryError when files are missing or cannot be read.
    """
    declared = run.company.table(table)
    window = window_of(declared, run.interval)
    with run.stage("pull", table) as figures, workspace(run.raw(table)) as work:
        delivered_at = dt.datetime.now(dt.UTC).replace(tzinfo=None)
        folder = work / "attempt"
        folder.mkdir()
        earlier = admitted_deliveries(run, declared) if declared.rules.cursor else []
        with connect(scratch=work / "scratch") as connection:
            request = FetchRequest(
                table=declared,
                company_folder=run.company.folder,
                time_zone=run.company.time_zone,
                window=window,
                past=past_of(window, earlier),
                workspace=work,
                duckdb=connection,
                find_connection=find_connection,
                reach=_reach(run, declared, window, earlier),
            )
            fetched = _connector(declared.rules.connector)(request)
            erased: Counter[dt.date | None] = Counter()
            if is_suppressing(run.folder):
                from kith.pull.suppression import without_suppressed

                fetched, erased = without_suppressed(run, request, fetched)
            manifest = _land(
                run, request, fetched, earlier, delivered_at, folder, erased
            )
        (folder / "manifest.json").write_text(manifest.model_dump_json(indent=2))
        move_durably(folder, run.raw(table) / run.interval.slug / manifest.attempt)
        figures["files"] = len(manifest.files)
        figures["rows"] = manifest.rows_taken
        figures["rejects"] = manifest.rejects
        figures["out_of_window"] = manifest.rows_out_of_window
        figures["outside_company_days"] = manifest.rows_unreached
        figures["bytes"] = sum(file.bytes for file in manifest.files)
        if manifest.suppressed_rows:
            figures["suppressed"] = manifest.suppressed_rows


def _connector(name: str) -> Callable[[FetchRequest], list[Fetched]]:
    # Imported when needed, since some of them cost seconds.
    fetch: Callable[[FetchRequest], list[Fetched]] = import_module(
        _CONNECTORS[name]
    ).fetch
    return fetch


def _land(
    run: Run,
    request: FetchRequest,
    fetched: list[Fetched],
    earlier: list[Delivery],
    delivered_at: dt.datetime,
    folder: Path,
    erased: Counter[dt.date | None],
) -> Manifest:
    table, connection = request.table, request.duckdb
    landed: list[PulledFile] = []
    shares: list[Share] = []
    twins = find_twins(connection, table, fetched)
    for number, delivery in enumerate(fetched, 1):
        stem = f"{number:04}_{Path(delivery.origin).name.split('.')[0]}"
        stored = folder / f"{stem}.parquet"
        if delivery.rows and is_personal(table):
            from kith.pull.pseudonyms import check_identifiers

            check_identifiers(table, delivery.origin, list(delivery.columns))
        with reading(f"{table.full_name}: {delivery.origin}", table):
            with nullcontext() if delivery.is_original else syncing(delivery.path):
                part = share(request, delivery, delivered_at)
            _store(connection, table, delivery, part.condition, stored)
        rejects = None
        if delivery.rejects:
            rejects = folder / f"{stem}.rejects.parquet"
            _store_rejects(connection, table, delivery.rejects, rejects)
        shares.append(part)
        landed.append(
            PulledFile(
                origin=delivery.origin,
                stored=stored.name,
                rows=part.taken,
                bytes=stored.stat().st_size,
                sha256=sha256(stored),
                columns=delivery.columns,
                has_schema=delivery.has_schema,
                has_odd_signs=delivery.has_odd_signs,
                ends_open=delivery.ends_open,
                may_hold_rows=delivery.may_hold_rows,
                rows_seen=delivery.rows,
                rejects=delivery.reject_count,
                rejects_stored=rejects.name if rejects else None,
                ahead_of=part.ahead_of,
                named_at=delivery.named_at,
                unreached=delivery.unreached or part.unreached,
                same_as=twins.get(delivery.origin),
            )
        )
    # A source that was only asked for their number did not hand them over.
    is_counted = any(delivery.rows_in_past is not None for delivery in fetched)
    past = request.past
    of_erased = sum(n for day, n in erased.items() if past and day and day in past)
    missed = _find_missed(run, request, shares, earlier, 0 if is_counted else of_erased)
    lost = missed.rows if missed else 0
    unseen = lost if is_counted else 0
    watermarks = [part.watermark for part in shares if part.watermark is not None]
    return Manifest(
        table=table.full_name,
        from_day=run.interval.from_day,
        to_day=run.interval.to_day,
        window_from_day=request.window.from_day,
        attempt=f"{delivered_at:%Y%m%dT%H%M%S%f}",
        delivered_at=delivered_at,
        files=landed,
        rows_seen=sum(file.rows_seen for file in landed) + unseen,
        rows_taken=sum(file.rows for file in landed),
        rows_before_interval=sum(part.before for part in shares) - lost + unseen,
        rows_after_interval=sum(part.after for part in shares),
        rows_out_of_window=sum(part.out_of_window for part in shares) + lost,
        late=[late for part in shares for late in part.late],
        missed=missed,
        rejects=sum(file.rejects for file in landed),
        watermark=max(watermarks, default=None),
        key_id=_key_id() if is_personal(table) else None,
        suppressed_rows=sum(erased.values()),
        suppressed_days=_within(request.window, erased),
    )


def _within(window: Interval, rows: Counter[dt.date | None]) -> Counter[dt.date]:
    """Rows on days of a window; those of no day on its last one."""
    days: Counter[dt.date] = Counter()
    for day, count in rows.items():
        if day is None or day in window:
            days[day or window.to_day] += count
    return days


def _reach(
    run: Run, table: SourceTable, window: Interval, earlier: list[Delivery]
) -> tuple[dt.date, dt.date | None]:
    """The days that runs take: the company's, and what else was asked for."""
    first, last = run.company.first_day, run.company.last_day
    windows = [window, window_of(table, Interval(first, first))]
    windows += [delivery.window for delivery in earlier]
    first = min(each.from_day for each in windows)
    return first, last and max(last, *(each.to_day for each in windows))


def _find_missed(
    run: Run,
    request: FetchRequest,
    shares: list[Share],
    earlier: list[Delivery],
    erased: int,
) -> MissedRows | None:
    """`erased` counts rows of earlier days that were left out, as those of erased."""
    in_past = [part.in_past for part in shares if part.in_past is not None]
    if request.past is None or not in_past:
        return None
    return find_missed(
        request.duckdb, earlier, request.past, run.interval, sum(in_past) + erased
    )


def _store(
    connection: duckdb.DuckDBPyConnection,
    table: SourceTable,
    delivery: Fetched,
    condition: str | None,
    target: Path,
) -> None:
    rows = stored = parquet_sql(delivery.path, file_row_number="true")
    if condition:
        stored = f"(from {rows} where {condition})"
    if is_personal(table):
        from kith.pull.pseudonyms import hashed_rows

        stored = hashed_rows(connection, table, stored, delivery.columns)
    if stored != rows:
        columns = "* exclude (file_row_number)"
        if not _is_numbered(connection, delivery.path):
            columns += f", file_row_number + 1 as {ROW_NUMBER}"
        write_parquet(connection, f"select {columns} from {stored}", target)
    elif delivery.is_original:
        # Copied, not decoded: raw is what was delivered, to the byte.
        shutil.copyfile(delivery.path, target)
    else:
        delivery.path.rename(target)
    if delivery.state is not None:
        where = f"{table.full_name}: {delivery.origin}"
        check_unchanged(where, delivery.path, delivery.state)


def _is_numbered(connection: duckdb.DuckDBPyConnection, path: Path) -> bool:
    return fetch_row(
        connection,
        f"select count(*) > 0 from parquet_schema({file_literal(path)}) "
        f"where name = '{ROW_NUMBER}'",
    ) == (True,)


def _store_rejects(
    connection: duckdb.DuckDBPyConnection,
    table: SourceTable,
    rejects: Path,
    target: Path,
) -> None:
    """Keep unreadable lines; of a table with identifiers only length and keyed hash."""
    if not is_personal(table):
        rejects.rename(target)
        return
    from kith.pull.pseudonyms import hashed_text

    hashed = hashed_text(connection, table, "text")
    write_parquet(
        connection,
        f"""
        select row_number, split_part(error, ':', 1) as error,
            length(text) || ' characters, hash ' || {hashed} as text
        from {parquet_sql(rejects)}
        """,
        target,
    )


def _key_id() -> str:
    from kith.pull.pseudonyms import key_id

    return key_id()
