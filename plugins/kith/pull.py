"""Pull: land what a source delivers for an interval, as it came, once and for all.

Each pull is an attempt of its own: `raw/<source>/<table>/<interval>/<attempt>/`. An
attempt is complete when its `manifest.json` is there, and is never changed again.
"""

import datetime as dt
import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
from pydantic import BaseModel

from kith.casts import declared_types, is_time, typed_sql
from kith.company import SourceTable
from kith.connections import Connection, environment_connection
from kith.connectors import ROW_NUMBER, Fetched, Request, files, reading
from kith.database import connect, fetch_row, literal, quote
from kith.errors import DeliveryError
from kith.runs import Interval, Run
from kith.storage import move_durably, sha256

_CONNECTORS = {"files": files.fetch}


class PulledFile(BaseModel):
    """One file of an attempt.

    `rows_seen` counts the readable rows of the origin, `rows` those taken from it.
    """

    origin: str
    stored: str
    rows: int
    bytes: int
    sha256: str
    columns: dict[str, str]
    has_schema: bool
    rows_seen: int
    rejects: int
    rejects_stored: str | None


class LateRows(BaseModel):
    """Rows of a business day that came to the source on a later one."""

    day: dt.date
    arrival_day: dt.date
    rows: int
    is_out_of_window: bool


class Manifest(BaseModel):
    """What an attempt holds, and where it comes from.

    Every row seen was taken, or lies before or after the window, or came too late for
    any (out of it). `late` tells of those taken that came late, and of those out of the
    window. `watermark` is the newest cursor of the window that was seen.
    """

    table: str
    from_day: dt.date
    to_day: dt.date
    window_from_day: dt.date
    attempt: str
    delivered_at: dt.datetime
    files: list[PulledFile]
    rows_seen: int
    rows_taken: int
    rows_before_interval: int
    rows_after_interval: int
    rows_out_of_window: int
    late: list[LateRows]
    rejects: int
    watermark: dt.datetime | dt.date | None

    @property
    def window(self) -> Interval:
        """The business days that this attempt delivers."""
        return Interval(self.window_from_day, self.to_day)


def pull_table(
    run: Run,
    table: str,
    find_connection: Callable[[str], Connection] = environment_connection,
) -> None:
    """Land the rows of one source table for the run's interval.

    A table with a cursor gives the rows of the interval, and also those whose cursor
    is missing, unreadable or later than the clock: no interval would ever take them,
    so each shows them to admission. A table without a cursor is landed whole.

    Raises DeliveryError when files are missing or cannot be read.
    """
    declared = run.company.table(table)
    with run.stage("pull", table) as figures, workspace(run.raw(table)) as work:
        delivered_at = dt.datetime.now(dt.UTC).replace(tzinfo=None)
        folder = work / "attempt"
        folder.mkdir()
        with connect(scratch=work / "scratch") as connection:
            request = Request(
                table=declared,
                company_folder=run.company.folder,
                time_zone=run.company.time_zone,
                window=run.interval,
                past=None,
                workspace=work,
                duckdb=connection,
                find_connection=find_connection,
            )
            fetched = _CONNECTORS[declared.rules.connector](request)
            manifest = _land(connection, run, declared, fetched, delivered_at, folder)
        (folder / "manifest.json").write_text(manifest.model_dump_json(indent=2))
        move_durably(folder, run.raw(table) / run.interval.slug / manifest.attempt)
        figures["files"] = len(manifest.files)
        figures["rows"] = manifest.rows_taken
        figures["rejects"] = manifest.rejects
        figures["bytes"] = sum(file.bytes for file in manifest.files)


def newest_attempt(run: Run, table: str) -> tuple[Path, Manifest]:
    """Folder and manifest of the newest complete attempt for the run's interval."""
    folder = run.raw(table) / run.interval.slug
    complete = sorted(path.parent for path in folder.glob("[0-9]*/manifest.json"))
    if not complete:
        raise DeliveryError(
            f"{table}: nothing was pulled for {run.interval.slug} ({folder} holds no "
            "complete attempt); run the pull of this table first"
        )
    manifest = (complete[-1] / "manifest.json").read_text()
    return complete[-1], Manifest.model_validate_json(manifest)


@contextmanager
def workspace(folder: Path) -> Iterator[Path]:
    """An empty folder `.work` inside `folder`, for one process at a time.

    Its lock goes with the process, so that what lies in `.work` at the start is what a
    killed process left.
    """
    folder.mkdir(parents=True, exist_ok=True)
    work = folder / ".work"
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        yield work
        shutil.rmtree(work)


def _land(
    connection: duckdb.DuckDBPyConnection,
    run: Run,
    table: SourceTable,
    fetched: list[Fetched],
    delivered_at: dt.datetime,
    folder: Path,
) -> Manifest:
    landed, before, after = [], 0, 0
    watermarks: list[Any] = []
    for number, delivery in enumerate(fetched, 1):
        stem = f"{number:04}_{Path(delivery.origin).name.split('.')[0]}"
        stored = folder / f"{stem}.parquet"
        with reading(f"{table.full_name}: {delivery.origin}"):
            share = _share(connection, run, table, delivery, delivered_at)
            _store(connection, delivery, share.condition, stored)
        rejects = None
        if delivery.rejects:
            rejects = delivery.rejects.rename(folder / f"{stem}.rejects.parquet").name
        landed.append(
            PulledFile(
                origin=delivery.origin,
                stored=stored.name,
                rows=share.taken,
                bytes=stored.stat().st_size,
                sha256=sha256(stored),
                columns=delivery.columns,
                has_schema=delivery.has_schema,
                rows_seen=delivery.rows,
                rejects=delivery.reject_count,
                rejects_stored=rejects,
            )
        )
        before += share.before
        after += share.after
        if share.watermark is not None:
            watermarks.append(share.watermark)
    return Manifest(
        table=table.full_name,
        from_day=run.interval.from_day,
        to_day=run.interval.to_day,
        window_from_day=run.interval.from_day,
        attempt=f"{delivered_at:%Y%m%dT%H%M%S%f}",
        delivered_at=delivered_at,
        files=landed,
        rows_seen=sum(file.rows_seen for file in landed),
        rows_taken=sum(file.rows for file in landed),
        rows_before_interval=before,
        rows_after_interval=after,
        rows_out_of_window=0,
        late=[],
        rejects=sum(file.rejects for file in landed),
        watermark=max(watermarks, default=None),
    )


@dataclass(frozen=True)
class _Share:
    """The rows of one file that belong to an interval; all when `condition` is None."""

    taken: int
    before: int = 0
    after: int = 0
    watermark: dt.datetime | dt.date | None = None
    condition: str | None = None


def _share(
    connection: duckdb.DuckDBPyConnection,
    run: Run,
    table: SourceTable,
    delivery: Fetched,
    delivered_at: dt.datetime,
) -> _Share:
    """Reads nothing but the cursor."""
    raw_types = {name.lower(): kind for name, kind in delivery.columns.items()}
    name = table.rules.cursor
    if name is None or name.lower() not in raw_types:
        # Without its cursor a delivery is for admission to refuse.
        return _Share(delivery.rows)
    raw_type = raw_types[name.lower()]
    kind = declared_types(connection, table)[name]
    cursor = typed_sql(table.column(name), raw_type, kind)
    start: dt.date
    if kind == "DATE":
        start, end = run.interval.from_day, run.interval.to_day + dt.timedelta(1)
        now = business_day(delivered_at, run.company.time_zone)
    else:
        start, end = run.interval.bounds_utc(run.company.time_zone)
        now = delivered_at
    within = f"({cursor} >= '{start}' and {cursor} < '{end}')"
    within_count, before, after, watermark = fetch_row(
        connection,
        f"""
        select
            count(*) filter (where {within}),
            count(*) filter (where {cursor} < '{start}'),
            count(*) filter (where {cursor} >= '{end}' and {cursor} <= '{now}'),
            max({cursor}) filter (where {within})
        from read_parquet({literal(str(delivery.path))})
        """,
    )
    taken = delivery.rows - before - after
    if taken == delivery.rows:
        return _Share(taken, watermark=watermark)
    if is_time(raw_type) and cursor != quote(name):
        # In the file's own type, so that row groups can be skipped unread.
        margin = dt.timedelta(days=2)
        within += (
            f" and {quote(name)} >= '{start - margin}'"
            f" and {quote(name)} < '{end + margin}'"
        )
    if within_count < taken:
        within += f" or {cursor} is null or {cursor} > '{now}'"
    return _Share(taken, before, after, watermark, within)


def _store(
    connection: duckdb.DuckDBPyConnection,
    delivery: Fetched,
    condition: str | None,
    target: Path,
) -> None:
    if condition is None and delivery.is_original:
        # Copied, not decoded: raw is what was delivered, to the byte.
        shutil.copyfile(delivery.path, target)
    elif condition is None:
        delivery.path.rename(target)
    else:
        number = f"file_row_number + 1 as {ROW_NUMBER}"
        columns = f"* exclude (file_row_number), {number}"
        if not delivery.is_original:
            columns = "* exclude (file_row_number)"
        connection.execute(
            f"""
            copy (
                select {columns}
                from read_parquet({literal(str(delivery.path))}, file_row_number = true)
                where {condition}
            ) to {literal(str(target))} (format parquet, compression zstd)
            """
        )


def business_day(instant: dt.datetime, time_zone: str) -> dt.date:
    """Day of a naive UTC instant in a company's time zone."""
    return instant.replace(tzinfo=dt.UTC).astimezone(ZoneInfo(time_zone)).date()
