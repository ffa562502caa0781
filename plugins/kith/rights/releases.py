"""Releases without a person: each is written anew, whole, under its own name.

Rows about the person go. Sums and counts of many people stay as they were published:
the next run publishes new ones.
"""

import ctypes
import datetime as dt
import errno
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from kith.approve.changes import NUMBERS, keep_numbers
from kith.approve.declarations import comparisons
from kith.database import (
    PARQUET_OF_MARTS,
    comments_sql,
    connect,
    fetch_row,
    literal,
    parquet_sql,
    quote,
)
from kith.publish.large_marts import add_view, point_views
from kith.publish.release import (
    DATABASE,
    MANIFEST,
    pointer_lock,
    releases,
    seal,
)
from kith.report.page import PAGE, write_page
from kith.rights.traces import (
    Traces,
    columns_without,
    erase_from_file,
    holds_traces,
)
from kith.runs.marts import attach_release, detach_release, is_view, parquet_file
from kith.runs.run import Run
from kith.storage import sha256, sync

# Columns that say whom a row is about.
_PERSON = (
    *("customer_id", "person_id", "person_id_before", "person_id_after"),
    *("prospect_id", "owner_id"),
)
# Columns that hold the key of a row of a source, beside the column `source`.
_RECORD = (
    *("record_id", "order_id", "order_line_id", "ticket_id", "post_id", "lead_id"),
    *("lead_stage_id", "promise_id"),
)
_BUILDING, _FORMER = ".tmp-erased-", ".former-"
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


@dataclass(frozen=True)
class Known:
    """By what a person is known in marts.

    `records` are sources and keys of their rows, `refused` hashes of rows that were
    refused.
    """

    identifiers: set[tuple[str, str]]
    person_ids: set[str]
    records: set[tuple[str, str]]
    refused: set[str]


@dataclass(frozen=True)
class Rewritten:
    """A release that was written anew: rows that went, by mart."""

    release_id: str
    is_current: bool
    rows: dict[str, int]
    has_page: bool


def attach(connection: duckdb.DuckDBPyConnection, known: Known) -> None:
    """Make tables of what is known, for `rows_of` and `mentions_in`."""
    for name, columns, rows in (
        ("identifiers", ("kind", "value"), known.identifiers),
        ("persons", ("id",), {(each,) for each in known.person_ids}),
        ("records", ("source", "key"), known.records),
        ("refused", ("hash",), {(each,) for each in known.refused}),
        ("hashes", ("value",), {(v,) for _, v in known.identifiers if len(v) == 64}),
    ):
        values = [
            pa.array([row[i] for row in rows], pa.string()) for i in range(len(columns))
        ]
        connection.register("kith_given", pa.table(values, names=list(columns)))
        connection.execute(
            f"create or replace temp table kith_{name} as from kith_given"
        )
        connection.unregister("kith_given")


def rows_of(columns: dict[str, str]) -> str | None:
    """SQL of whether a row of a mart is about a person; None where none can be.

    `columns` has the types of the mart's columns.
    """
    texts = {name for name, kind in columns.items() if kind == "VARCHAR"}
    found = [
        f"{quote(n)} in (select id from kith_persons)" for n in _PERSON if n in texts
    ]
    if {"identifier_type", "identifier_value"} <= texts:
        found.append(
            "(identifier_type, identifier_value) in (select kind, value from "
            "kith_identifiers)"
        )
    if "source" in texts:
        found += [
            f"(source, {quote(name)}) in (select source, key from kith_records)"
            for name in _RECORD
            if name in texts
        ]
    if "payload_hash" in texts:
        found.append("payload_hash in (select hash from kith_refused)")
    if "stream_id" in texts:
        found.append(
            "regexp_extract(stream_id, '[0-9a-f]{64}$') in (select value from "
            "kith_hashes)"
        )
    if not found:
        return None
    return " or ".join(f"coalesce({each}, false)" for each in found)


def erase_from_releases(
    run: Run, known: Known, traces: Traces, words: Traces, entries: list[int]
) -> Iterator[Rewritten]:
    """Write those releases anew that hold something of a person.

    `traces` are looked for in texts and files, `words` are all that goes from them.
    Killed in between, the next call ends it.
    """
    published = run.published
    if not published.is_dir():
        return
    with pointer_lock(published):
        _finish(published)
        for release_id in releases(published):
            release = published / release_id
            if done := _erase(run, release, known, traces, words, entries):
                yield done


def _erase(
    run: Run,
    release: Path,
    known: Known,
    traces: Traces,
    words: Traces,
    entries: list[int],
) -> Rewritten | None:
    counts: Counter[str] = Counter()
    # Databases last: their views read the Parquet files.
    files = sorted(
        (p for p in release.rglob("*") if p.is_file()),
        key=lambda path: (path.suffix == ".duckdb", path),
    )
    with connect(scratch=run.folder / "scratch") as connection:
        attach(connection, known)
        for path in files:
            if path.suffix == ".duckdb":
                counts.update(_rows_in(connection, path))
        counts = +counts
        found = [holds_traces(connection, path, traces) for path in files]
        if not counts and not any(found):
            return None
        building = release.with_name(f"{_BUILDING}{release.name}")
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir()
        if not (release / NUMBERS).is_file():
            declared, scratch = comparisons(run), run.folder / "scratch"
            keep_numbers(release / DATABASE, building, declared, scratch)
        manifest = json.loads((release / MANIFEST).read_text(encoding="utf-8"))
        # That of the watch tells of its mart alone.
        known_marts = manifest.get("marts", {})
        has_page = True
        for path in files:
            target = building / path.relative_to(release)
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".duckdb":
                marts = _write_database(
                    connection, path, target, building, traces, words
                )
                for name, mart in marts.items() if path.name == DATABASE else ():
                    if name in known_marts:
                        known_marts[name].update(mart)
            elif path.suffix == ".parquet":
                _write_parquet(connection, path, target, traces, words)
            elif path == release / PAGE and holds_traces(connection, path, words):
                has_page = False
            elif path.name != MANIFEST:
                shutil.copyfile(path, target)
                erase_from_file(connection, target, traces, words)
    if not has_page:
        has_page = _make_page(run, building, manifest)
    if any(map(is_view, known_marts.values())):
        # Up to here they read what will be there, now what is: of the same columns.
        point_views(building / DATABASE, release, run.folder / "scratch")
    files = sorted(p for p in building.rglob("*") if p.is_file() and p.name != MANIFEST)
    manifest["files"] = {str(p.relative_to(building)): sha256(p) for p in files}
    for name, mart in known_marts.items():
        place = str(parquet_file(building, name).relative_to(building))
        if place in manifest["files"]:
            mart["sha256"] = manifest["files"][place]
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    manifest.setdefault("rewritten", []).append(
        {
            "at": now.isoformat(timespec="seconds") + "Z",
            "reason": "erasure",
            "entries": entries,
            "rows": dict(counts),
        }
    )
    _write_manifest(building, manifest)
    seal(building)
    then = (release / MANIFEST).stat()
    # Releases of one second are ordered by it.
    os.utime(building / MANIFEST, ns=(then.st_atime_ns, then.st_mtime_ns))
    _exchange(building, release)
    return Rewritten(
        release.name,
        (release.parent / "current").resolve() == release.resolve(),
        dict(counts),
        has_page,
    )


def _rows_in(connection: duckdb.DuckDBPyConnection, database: Path) -> dict[str, int]:
    """Rows of a person in a published database, by mart."""
    counts = {}
    attach_release(connection, database, "former")
    for name, columns in _tables(connection, "former"):
        if goes := rows_of(columns):
            query = f"select count(*) from former.{name} where {goes}"
            (counts[name.replace('"', "")],) = fetch_row(connection, query)
    detach_release(connection, "former")
    return counts


def _make_page(run: Run, building: Path, manifest: dict[str, Any]) -> bool:
    """Make the page anew, which showed the person; without one, where that fails.

    The marts of a release of a former version may lack what today's page shows.
    """
    _write_manifest(building, manifest)
    try:
        write_page(run, building)
    except (duckdb.Error, KeyError, ValueError):
        shutil.rmtree(building / PAGE.parent, ignore_errors=True)
        return False
    return True


def _write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    text = json.dumps(manifest, indent=2)
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def _tables(
    connection: duckdb.DuckDBPyConnection, database: str | None = None
) -> list[tuple[str, dict[str, str]]]:
    """Tables of a database, quoted, each with the types of its columns."""
    found: dict[str, dict[str, str]] = {}
    for schema, table, column, kind in connection.execute(
        "select schema_name, table_name, column_name, data_type from duckdb_columns() "
        "where not internal and database_name = coalesce($name, current_database()) "
        "order by schema_name, table_name, column_index",
        {"name": database},
    ).fetchall():
        found.setdefault(f"{quote(schema)}.{quote(table)}", {})[column] = kind
    return list(found.items())


def _kept(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    columns: dict[str, str],
    traces: Traces,
    words: Traces,
) -> str:
    """SQL of the rows that stay, without words in their texts."""
    goes = rows_of(columns) or "false"
    replaced = columns_without(
        connection, relation, columns, traces, words, f"not ({goes})"
    )
    return f"select * {replaced} from {relation} where not ({goes})"


def _write_database(
    connection: duckdb.DuckDBPyConnection,
    source: Path,
    target: Path,
    building: Path,
    traces: Traces,
    words: Traces,
) -> dict[str, dict[str, Any]]:
    """Write a published database anew; returns rows and content hash of its marts.

    `building` is the folder of the release, where its Parquet files are already.
    """
    marts: dict[str, dict[str, Any]] = {}
    connection.execute(f"attach {literal(str(source))} as former (read_only)")
    connection.execute(
        f"attach {literal(str(target))} as release (storage_version 'v1.0.0')"
    )
    connection.execute("begin")
    views = set(
        connection.execute(
            "select schema_name, view_name from duckdb_views() "
            "where database_name = 'former' and not internal"
        ).fetchall()
    )
    for name, columns in _tables(connection, "former"):
        schema, _, table = name.replace('"', "").partition(".")
        connection.execute(f"create schema if not exists release.{quote(schema)}")
        if (schema, table) in views:
            add_view(connection, f"{schema}.{table}", building)
        else:
            kept = _kept(connection, f"former.{name}", columns, traces, words)
            connection.execute(f"create table release.{name} as {kept}")
        listed = ", ".join(map(quote, columns))
        rows, content = fetch_row(
            connection,
            f"select count(*), coalesce(sum(hash({listed})), 0) from release.{name}",
        )
        marts[f"{schema}.{table}"] = {"rows": rows, "content_hash": f"{content:032x}"}
    connection.execute(comments_sql(connection, "former", "release"))
    connection.execute("commit")
    connection.execute("checkpoint release")
    connection.execute("detach release")
    connection.execute("detach former")
    return marts


def _write_parquet(
    connection: duckdb.DuckDBPyConnection,
    source: Path,
    target: Path,
    traces: Traces,
    words: Traces,
) -> None:
    rows = parquet_sql(source)
    described = connection.execute(f"describe from {rows}").fetchall()
    columns = {row[0]: row[1] for row in described}
    kept = _kept(connection, rows, columns, traces, words)
    connection.execute(f"copy ({kept}) to {literal(str(target))} ({PARQUET_OF_MARTS})")


# --- places ---------------------------------------------------------------------------


def _exchange(building: Path, release: Path) -> None:
    """Put a release in the place of the former one, which is removed.

    At once, so that a reader finds one or the other; where the file system cannot do
    that, one after the other.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    sync(building)
    exchange = getattr(libc, "renameat2", None)
    done = -1
    if exchange is not None:
        done = exchange(
            _AT_FDCWD,
            os.fsencode(building),
            _AT_FDCWD,
            os.fsencode(release),
            _RENAME_EXCHANGE,
        )
    if done == 0:
        sync(release.parent)
        shutil.rmtree(building)
        return
    code = ctypes.get_errno()
    if exchange is not None and code not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        raise OSError(code, os.strerror(code), str(release))
    former = release.with_name(f"{_FORMER}{release.name}")
    release.rename(former)
    building.rename(release)
    sync(release.parent)
    shutil.rmtree(former)


def _finish(published: Path) -> None:
    """Remove what an erasure that was killed has left; a release is never lost."""
    for former in published.glob(f"{_FORMER}*"):
        release = published / former.name.removeprefix(_FORMER)
        if release.exists():
            shutil.rmtree(former)
        else:
            former.rename(release)
    for orphan in published.glob(".tmp-*"):
        if orphan.is_dir() and not orphan.is_symlink():
            shutil.rmtree(orphan)
        else:
            with suppress(FileNotFoundError):
                orphan.unlink()
