"""Publish the candidate as a release, and point readers at it in one step.

A release is made in a hidden folder beside the others, with the page that reports on
it, made durable, and renamed; then the symbolic link `current` is replaced. Readers see
the old release or the new one, whole, whenever a publication is killed.
"""

import datetime as dt
import fcntl
import itertools
import json
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from kith.approve.approval import Restatements, check_approved
from kith.approve.reasons import definitions
from kith.catalogue.metadata import send_events, write_metadata
from kith.company.retention import Keep
from kith.database import (
    PARQUET_OF_MARTS,
    comments_sql,
    connect,
    fetch_row,
    literal,
    parquet_sql,
    quote,
)
from kith.deliveries.admitted import admitted_deliveries, spans, suppressed_rows
from kith.errors import PublicationError
from kith.gate.audit import fingerprint, permit_path
from kith.gate.tables import FEED_SCHEMA, Table, list_tables
from kith.publish.audiences import add_audiences
from kith.publish.large_marts import point_views, write_large
from kith.report.page import PAGE, write_page
from kith.runs.marts import is_view, parquet_file
from kith.runs.provenance import git_commit
from kith.runs.run import Run, current_release
from kith.settings import load_settings
from kith.storage import READABLE, restrict, sha256, sync

DATABASE = "kith.duckdb"
MANIFEST = "manifest.json"
# Larger marts keep the order in which they were built: sorting tens of millions of rows
# would cost more than all the rest.
SORTED_UP_TO_ROWS = 1_000_000


def publish(run: Run) -> dict[str, Any]:
    """Make a release of the candidate and switch `current` to it; returns its manifest.

    Raises PublicationError when the gate has not passed on exactly this candidate, and
    ApprovalError when it changes published numbers so far that somebody has to approve.
    Whatever fails, the page too, leaves readers the former release.
    """
    with run.stage("publish") as figures, run.writer_lock():
        permit = _read_permit(run)
        approved = check_approved(run)
        with new_release(run.published, lambda: _log_current(run.folder)) as (
            release_id,
            now,
            building,
        ):
            building.mkdir()
            with ThreadPoolExecutor(1) as beside:
                # Python reads the models' SQL while DuckDB copies.
                metadata = beside.submit(write_metadata, run, building)
                manifest = _write_data(
                    run, building, release_id, now, permit, *approved
                )
                started = time.monotonic()
                events = metadata.result()
                waited = round(time.monotonic() - started, 1)
                figures["seconds_waited_for_metadata"] = waited
            # The page reads it; of what the release holds it tells at the end.
            _write_json(building / MANIFEST, manifest)
            started = time.monotonic()
            write_page(run, building)
            figures["page_seconds"] = round(time.monotonic() - started, 1)
            if any(map(is_view, manifest["marts"].values())):
                _settle_views(run, building, run.published / release_id)
            _write_manifest(building, manifest)
            seal(building)
        figures["release_id"] = release_id
        figures["rows"] = sum(mart["rows"] for mart in manifest["marts"].values())
        figures["bytes"] = sum(
            path.stat().st_size for path in _files(run.published / release_id)
        )
        figures |= send_events(events)
        return manifest


@contextmanager
def new_release(
    published: Path, log: Callable[[], None]
) -> Iterator[tuple[str, dt.datetime, Path]]:
    """Give id, time and folder of a release to be made, which `current` is then.

    Called by one process at a time. `log` is called whenever the pointer is known: with
    the former release before, and with the new one after the switch.
    """
    restrict(published, READABLE)
    with pointer_lock(published):
        _clear_up(published)
        log()
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    release_id = f"{now:%Y%m%dT%H%M%SZ}_{secrets.token_hex(3)}"
    building = published / f".tmp-{release_id}"
    try:
        yield release_id, now, building
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)  # a full disk needs the room
        raise
    with pointer_lock(published):
        building.rename(published / release_id)
        sync(published)
        _switch(published, release_id)
        log()


def seal(folder: Path) -> None:
    """Bring a release's files to the disk, readable for all and writable for nobody."""
    for path in _files(folder):
        path.chmod(0o444)
        sync(path)
    for path in (folder, *folder.rglob("*/")):
        restrict(path, READABLE)
        sync(path)


def rollback(state: Path, release: str | None) -> str:
    """Point `current` at the release before it, or at the one that is named.

    `state` is the company's folder in $KITH_HOME. Returns the release's id. Raises
    PublicationError, and leaves `current`, when it is not there or was tampered with.
    """
    published = state / "published"
    known = releases(published)
    current = current_release(published)
    at_hand = "at hand are " + (
        ", ".join(f"{name} (current)" if name == current else name for name in known)
        or "none"
    )
    if release is None:
        if current not in known or known.index(current) == 0:
            raise PublicationError(
                f"{published}: there is no release before the current one; {at_hand}"
            )
        release = known[known.index(current) - 1]
    elif release not in known:
        raise PublicationError(f"{published}: no release {release}; {at_hand}")
    with pointer_lock(published):
        faults = verify(published / release)
        if faults:
            raise PublicationError(
                f"{published / release}: {faults[0]}; expected what its "
                f"{MANIFEST} says; choose another release, {at_hand}"
            )
        _switch(published, release)
    return release


def releases(published: Path) -> list[str]:
    """Ids of the releases, the oldest first."""
    manifests = [
        path
        for path in published.glob(f"[0-9]*/{MANIFEST}")
        if not _is_unfinished(path.parent)
    ]
    # Two of the same second differ in the time of their last file.
    return [
        path.parent.name
        for path in sorted(
            manifests, key=lambda path: (path.parent.name[:16], path.stat().st_mtime_ns)
        )
    ]


@dataclass(frozen=True)
class Standing:
    """How a release stands: `faults` are empty where it is whole."""

    release_id: str
    is_current: bool
    as_of_date: str
    bytes: int
    has_page: bool
    faults: list[str]


def standings(published: Path) -> list[Standing]:
    """How each release stands, the newest first. Every file of theirs is read."""
    current = current_release(published)
    known = releases(published)
    folders = {p.name for p in published.glob("[0-9]*/") if not _is_unfinished(p)}
    without_manifest = folders - {*known}
    # By the second: within one, known ones have their own order.
    names = sorted([*known, *without_manifest], key=lambda name: name[:16])
    return [_standing(published / name, name == current) for name in reversed(names)]


def _standing(release: Path, is_current: bool) -> Standing:
    faults = verify(release)
    try:
        manifest = json.loads((release / MANIFEST).read_text())
    except (OSError, ValueError):
        manifest = {}
    return Standing(
        release_id=release.name,
        is_current=is_current,
        as_of_date=manifest.get("as_of_date", "unknown"),
        bytes=sum(path.stat().st_size for path in _files(release)),
        has_page=_has_page(release, manifest),
        faults=faults,
    )


def lacks_page(release: Path) -> bool:
    """Whether the page that a release's manifest names is not there.

    An earlier version of Kith switched `current` before the page was made, and does
    not vouch for it: killed in between, it left such a release, whose data are whole.
    """
    manifest = json.loads((release / MANIFEST).read_text())
    return not _has_page(release, manifest)


def _has_page(release: Path, manifest: dict[str, Any]) -> bool:
    return (release / manifest.get("report", PAGE)).is_file()


def verify(release: Path) -> list[str]:
    """What of a release's files is not as its manifest says; empty when all is well."""
    try:
        promised = json.loads((release / MANIFEST).read_text())["files"]
    except (OSError, ValueError, KeyError) as error:
        return [f"{MANIFEST} cannot be read: {error}"]
    faults = []
    for name, digest in promised.items():
        if not (release / name).is_file():
            faults.append(f"{name} is missing")
        elif sha256(release / name) != digest:
            faults.append(f"{name} was changed")
    return faults


# --- the release ----------------------------------------------------------------------


def _read_permit(run: Run) -> dict[str, Any]:
    path = permit_path(run)
    if not path.is_file():
        raise PublicationError(
            f"{path}: not found; the gate has not passed in this run; "
            "run the task audit"
        )
    permit: dict[str, Any] = json.loads(path.read_text())
    candidate = fingerprint(run) if run.warehouse.is_file() else "missing"
    if permit["candidate"] != candidate:
        raise PublicationError(
            f"{run.warehouse}: changed since the gate passed ({permit['candidate']} "
            f"then, {candidate} now); run the tasks build and audit again"
        )
    return permit


def _write_data(
    run: Run,
    folder: Path,
    release_id: str,
    now: dt.datetime,
    permit: dict[str, Any],
    restated: Restatements,
    approved_by: str | None,
) -> dict[str, Any]:
    """Write the data of a release into a folder; returns what its manifest says."""
    tables = [table for table in list_tables(run) if table.schema != FEED_SCHEMA]
    commit = git_commit()
    with connect(scratch=run.folder / "scratch") as connection:
        connection.execute("set preserve_insertion_order = false")
        connection.execute(
            f"attach {literal(str(run.warehouse))} as candidate (read_only)"
        )
        # The oldest layout that holds our types, for older clients: 1.4 is tested.
        connection.execute(
            f"attach {literal(str(folder / DATABASE))} as release "
            "(storage_version 'v1.0.0')"
        )
        # One transaction: each of some hundred comments would wait for the disk.
        connection.execute("begin")
        (as_of,) = fetch_row(connection, "select as_of_date from candidate.kith.run")
        sources = _sources(connection, run)
        for table in tables:
            _add_table(connection, run, table, folder)
        keys = {table.full_name: table.key for table in tables}
        connection.execute(comments_sql(connection, "candidate", "release", keys))
        _add_restatements(connection, restated, release_id, now, as_of, approved_by)
        _add_publication(
            connection,
            tables,
            len(restated.changes),
            {
                "release_id": release_id,
                "run_id": run.run_id,
                "published_at": now,
                "from_day": run.interval.from_day,
                "to_day": run.interval.to_day,
                "data_as_of": as_of,
                "git_commit": commit,
                "mart_count": len(tables),
                "failed_warning_count": len(permit["failed_warnings"]),
                "as_of_date": as_of,
            },
        )
        connection.execute(
            "create table release._release as select "
            "$release_id as release_id, $run_id as run_id, $company as company, "
            "cast($published_at as timestamp) as published_at, "
            "cast($data_as_of as date) as data_as_of, "
            "cast($passed as bigint) as checks_passed, "
            "cast($warned as bigint) as checks_warned",
            {
                "release_id": release_id,
                "run_id": run.run_id,
                "company": run.company.name,
                "published_at": now,
                "data_as_of": as_of,
                "passed": permit["passed"],
                "warned": len(permit["failed_warnings"]),
            },
        )
        connection.execute(
            "comment on table release._release is "
            "'One row: which release this file is, and how fresh its data are.'"
        )
        connection.execute("commit")
        connection.execute("checkpoint release")
        marts = {
            table.full_name: _entry(connection, run, table, folder) for table in tables
        }
        audiences = add_audiences(connection, run, folder, marts)
    return {
        "release_id": release_id,
        "run_id": run.run_id,
        "company": run.company.name,
        "title": run.company.title,
        "currency": run.company.currency,
        "time_zone": run.company.time_zone,
        "from_day": run.interval.from_day.isoformat(),
        "to_day": run.interval.to_day.isoformat(),
        "as_of_date": as_of.isoformat(),
        "published_at": now.isoformat(timespec="microseconds") + "Z",
        "git_commit": commit,
        "sources": sources,
        "definitions": definitions(run),
        # sum: independent of the order of rows
        "content_hash_method": f"sum(hash(columns)), DuckDB {duckdb.__version__}",
        "marts": marts,
        "audiences": audiences,
        "gate": {
            "passed": permit["passed"],
            "warnings": len(permit["failed_warnings"]),
            "failed_warnings": permit["failed_warnings"],
        },
        "report": str(PAGE),
        "files": {
            str(parquet_file(folder, name).relative_to(folder)): mart["sha256"]
            for name, mart in marts.items()
            if "sha256" in mart
        },
    }


def _write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest with the digests of all files."""
    known = manifest["files"]
    for path in _files(folder):
        name = str(path.relative_to(folder))
        if name not in known and name != MANIFEST:
            known[name] = sha256(path)
    _write_json(folder / MANIFEST, manifest)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")


def _settle_views(run: Run, building: Path, release: Path) -> None:
    """Let the database's views read the files where they will be.

    DuckDB makes a view only of files that are there: so for this moment they are.
    """
    release.symlink_to(building.name)
    try:
        point_views(building / DATABASE, release, run.folder / "scratch")
    finally:
        release.unlink()


def _add_table(
    connection: duckdb.DuckDBPyConnection, run: Run, table: Table, folder: Path
) -> None:
    """Add a table of the candidate to the release's database."""
    connection.execute(f"create schema if not exists release.{quote(table.schema)}")
    if run.company.is_large(table.schema, table.row_count):
        write_large(connection, "candidate", table.full_name, folder)
        return
    name = f"{quote(table.schema)}.{quote(table.name)}"
    # Without its constraints: old clients cannot open a file with indexes.
    connection.execute(
        f"create table release.{name} as from candidate.{name}{_order(table)}"
    )


def _add_publication(
    connection: duckdb.DuckDBPyConnection,
    tables: list[Table],
    restated: int,
    values: dict[str, Any],
) -> None:
    """Add this release's own row to the log that it carries."""
    # The gate added its results after the tables were built: nobody else counted them.
    values["row_count"] = sum(table.row_count for table in tables) + restated + 1
    connection.execute(
        f"insert into release.operations.publications ({', '.join(values)}) "
        f"values ({', '.join('?' * len(values))})",
        list(values.values()),
    )


def _add_restatements(
    connection: duckdb.DuckDBPyConnection,
    restated: Restatements,
    release_id: str,
    now: dt.datetime,
    as_of: dt.date,
    approved_by: str | None,
) -> None:
    """Add the numbers that change with this release to those that changed before."""
    rows = [
        {
            "release_id": release_id,
            "run_id": restated.run_id,
            "published_at": now,
            **each.model_dump(),
            "approved_by": approved_by if each.is_beyond_limit else None,
            "as_of_date": as_of,
        }
        for each in restated.changes
    ]
    if rows:
        connection.executemany(
            f"insert into release.operations.restatements ({', '.join(rows[0])}) "
            f"values ({', '.join('?' * len(rows[0]))})",
            [list(row.values()) for row in rows],
        )


def _entry(
    connection: duckdb.DuckDBPyConnection, run: Run, table: Table, folder: Path
) -> dict[str, Any]:
    """What the manifest says of a published table, which is Parquet then as well."""
    name = f"release.{quote(table.schema)}.{quote(table.name)}"
    columns = ", ".join(map(quote, table.columns))
    is_large = run.company.is_large(table.schema, table.row_count)
    entry = {"key": list(table.key), "in_database": "view" if is_large else "table"}
    if not is_large:
        path = parquet_file(folder, table.full_name)
        path.parent.mkdir(parents=True, exist_ok=True)
        connection.execute(
            f"copy (from {name}{_order(table)}) to {literal(str(path))} "
            f"({PARQUET_OF_MARTS})"
        )
        entry["sha256"] = sha256(path)
    rows, content = fetch_row(
        connection, f"select count(*), coalesce(sum(hash({columns})), 0) from {name}"
    )
    return {"rows": rows, "content_hash": f"{content:032x}", **entry}


def _order(table: Table) -> str:
    if table.row_count > SORTED_UP_TO_ROWS:
        return ""
    return f" order by {', '.join(map(quote, table.key or table.columns))}"


def _sources(connection: duckdb.DuckDBPyConnection, run: Run) -> dict[str, Any]:
    """Per source table the deliveries of which days count, and its rows.

    Rows of erased persons are counted by day, so that the next publication can tell
    those that went since.
    """
    rows = dict(
        connection.execute(
            "select source_name || '.' || table_name, sum(row_count)::bigint "
            "from candidate.operations.source_deliveries group by all"
        ).fetchall()
    )
    sources = {}
    for table in run.company.sources:
        deliveries = admitted_deliveries(run, table)
        counted = sorted({span.number for span in spans(deliveries)})
        sources[table.full_name] = {
            "attempts": [
                f"{report['interval']}/{report['attempt']}"
                for report in (deliveries[number].report for number in counted)
            ],
            "rows": rows.get(table.full_name, 0),
            "suppressed_days": {
                day.isoformat(): count
                for day, count in sorted(suppressed_rows(deliveries).items())
            },
        }
    return sources


# --- the pointer ----------------------------------------------------------------------


@contextmanager
def pointer_lock(published: Path) -> Iterator[None]:
    """Keep a rollback and the end of a publication apart, but not for a whole build."""
    if not published.is_dir():
        raise PublicationError(f"{published}: nothing was published yet")
    with (published / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _switch(published: Path, release_id: str) -> None:
    """Point `current` at a release; a reader finds the old one or the new one."""
    pointer = published / f".tmp-current-{release_id}"
    pointer.unlink(missing_ok=True)
    pointer.symlink_to(release_id)
    pointer.replace(published / "current")
    sync(published)


def _clear_up(published: Path) -> None:
    """Remove what killed publications left."""
    links = [path for path in published.glob("[0-9]*") if _is_unfinished(path)]
    for orphan in [*published.glob(".tmp-*"), *links]:
        if orphan.is_dir() and not orphan.is_symlink():
            shutil.rmtree(orphan)
        else:
            orphan.unlink()


def _is_unfinished(release: Path) -> bool:
    """Whether it is only the link of one that is being made: see _settle_views."""
    return release.is_symlink() and release.readlink().name.startswith(".tmp-")


def _log_current(state: Path) -> None:
    """Add the current release to the history that the next build reads.

    Called after the switch, and before the next publication in case that this one is
    killed in between.
    """
    published = state / "published"
    release_id = current_release(published)
    entry = state / "history" / "publications" / f"{release_id}.parquet"
    if release_id is None or entry.is_file():
        return
    # The publication last: with it the others are known to be there.
    for name in ("restatements", "publications"):
        mart = parquet_file(published / release_id, f"operations.{name}")
        if mart.is_file():  # An earlier version of Kith has published less.
            _log_mart(state, name, mart, release_id)


def _log_mart(state: Path, name: str, mart: Path, release_id: str) -> None:
    """Keep a release's own rows of a log, if it has any."""
    entry = state / "history" / name / f"{release_id}.parquet"
    entry.parent.mkdir(parents=True, exist_ok=True)
    unfinished = entry.with_suffix(".tmp")
    with connect(scratch=state / "scratch") as connection:
        own = f"from {parquet_sql(mart)} where release_id = {literal(release_id)}"
        if fetch_row(connection, f"select count(*) {own}") == (0,):
            return
        connection.execute(
            f"copy (select * exclude (as_of_date) {own}) "
            f"to {literal(str(unfinished))} (format parquet)"
        )
    unfinished.replace(entry)


def superseded(published: Path, keep: Keep) -> list[str]:
    """Ids of releases that are beyond what is kept and that nobody may still read."""
    if not published.is_dir():
        return []
    grace = dt.timedelta(minutes=load_settings().release_grace_minutes)
    grace = max(grace, dt.timedelta(days=keep.days))
    known = releases(published)
    kept = {*known[-keep.count :], current_release(published)}
    return [
        release_id
        for release_id, successor in itertools.pairwise(known)
        # A reader may have opened it until the moment its successor came.
        if release_id not in kept and _age(successor) > grace
    ]


def remove_superseded(published: Path, keep: Keep) -> None:
    """Remove these releases; no rollback can go to one meanwhile."""
    with pointer_lock(published):
        for release_id in superseded(published, keep):
            _remove(published / release_id)


def _age(release_id: str) -> dt.timedelta:
    published_at = dt.datetime.strptime(release_id[:16], "%Y%m%dT%H%M%SZ")
    return dt.datetime.now(dt.UTC).replace(tzinfo=None) - published_at


def _remove(release: Path) -> None:
    # Under another name first: half of a release must never look like one.
    doomed = release.with_name(f".tmp-{release.name}")
    release.rename(doomed)
    shutil.rmtree(doomed)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
