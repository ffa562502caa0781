"""Suppression: what a source still delivers of an erased person is not stored.

`suppressed.json` in the company's state holds an entry for each erased person: keyed
hashes of the tokens that name them and their rows (`kith.deliveries.persons`). Nobody
can tell from it who they are, and with it each pull, and each admission of what was
pulled before, leaves out the rows of theirs. The keys of rows that are left out are
remembered in `suppressed_keys/`, likewise hashed: by them rows of other tables are
known that refer to them.

An entry is made with the identifier key of its day. Once that is another one, the
former key has to be given as well (`KITH_FORMER_IDENTIFIER_KEYS`): from a hash nobody
can make the hash by another key.
"""

import datetime as dt
import hmac
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb
import pyarrow as pa
from pydantic import BaseModel, ValidationError

from kith.company.tables import SourceTable
from kith.database import (
    connect,
    fetch_row,
    file_literal,
    literal,
    parquet_sql,
    quote,
    write_parquet,
)
from kith.deliveries.business_days import day_sql, row_day_sql
from kith.deliveries.casts import declared_types, read_column
from kith.deliveries.columns import ROW_NUMBER
from kith.deliveries.persons import (
    Mark,
    Matcher,
    Staged,
    marks_of,
    referred_columns,
    typed_values,
    verdict,
)
from kith.deliveries.raw import KEYS, SUPPRESSED, Manifest, PulledFile
from kith.errors import ConfigurationError, CredentialsError
from kith.pull.connectors.request import Fetched, FetchRequest, check_unchanged
from kith.pull.pseudonyms import (
    company_key,
    hashed_rows,
    key_id,
    keyed_hash,
    set_key,
)
from kith.runs.run import Interval, Run
from kith.settings import former_identifier_keys, identifier_key
from kith.storage import replace_file, sha256

_DOMAIN = "suppressed:"


class Entry(BaseModel):
    """An erased person. `suppressed_at` is UTC, `key_id` tells the key of `digests`."""

    number: int
    suppressed_at: dt.datetime
    key_id: str
    digests: list[str]


class Suppressed(BaseModel):
    """What `suppressed.json` holds; `staged` is what staging told of columns then."""

    version: int = 1
    staged: Staged = Staged()
    entries: list[Entry] = []


@dataclass(frozen=True)
class InForce:
    """All that is suppressed: digests by the key that made them."""

    staged: Staged
    digests: dict[str, set[str]]


@dataclass
class FoundRows:
    """Numbers, from 0, of rows of a file that go, and by column of values that do."""

    going: set[int] = field(default_factory=set)
    blanked: dict[str, set[int]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.going or any(self.blanked.values()))

    def add(self, other: "FoundRows") -> None:
        """Take in what another search has found."""
        self.going |= other.going
        for name, numbers in other.blanked.items():
            self.blanked.setdefault(name, set()).update(numbers)


def digest(key: str, token: str) -> str:
    """What an entry keeps of a token."""
    return hmac.new(key.encode(), f"{_DOMAIN}{token}".encode(), "sha256").hexdigest()


def read_entries(state: Path) -> Suppressed:
    """The entries of a company, whose folder in KITH_HOME is `state`."""
    path = state / SUPPRESSED
    try:
        return Suppressed.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Suppressed()
    except ValidationError:
        raise ConfigurationError(
            f"{path}: cannot be read, or another version of Kith wrote it; expected "
            "the entries of erased persons; put it back from a backup: without it they "
            "would come back"
        ) from None


def write_entries(state: Path, content: Suppressed) -> None:
    """Replace the entries, durably."""
    text = content.model_dump_json(indent=1)
    replace_file(state / SUPPRESSED, text.encode(), mode=0o600)


def in_force(state: Path) -> InForce | None:
    """What is suppressed; None for nothing.

    Raises CredentialsError where a key is missing by which somebody was erased.
    """
    if not (state / SUPPRESSED).is_file():
        return None
    held = read_entries(state)
    wanted = {entry.key_id for entry in held.entries}
    if not wanted:
        return None
    given = [*filter(None, [identifier_key()]), *former_identifier_keys()]
    keys = {key_id(key): key for key in given}
    if missing := sorted(wanted - keys.keys()):
        numbers = [e.number for e in held.entries if e.key_id == missing[0]]
        shown = ", ".join(map(str, numbers[:5])) + (" …" if numbers[5:] else "")
        raise CredentialsError(
            f"{state / SUPPRESSED}: entries {shown} were made with the identifier key "
            f"{missing[0]}, which is not set; expected it, or persons who were erased "
            "would come back; add the former key to KITH_FORMER_IDENTIFIER_KEYS, or "
            "run make erase for these persons again (docs/rights.md)"
        )
    digests: dict[str, set[str]] = {keys[each]: set() for each in wanted}
    for entry in held.entries:
        digests[keys[entry.key_id]].update(entry.digests)
    for path in (state / KEYS).glob("[!.]*.json"):
        for each, found in json.loads(path.read_text(encoding="utf-8")).items():
            if each in keys:
                digests.setdefault(keys[each], set()).update(found)
    return InForce(held.staged, digests)


def remember_keys(
    state: Path, table: SourceTable, key: str, tokens: Iterable[str]
) -> None:
    """Keep digests of rows that were left out. One process at a time for a table."""
    path = state / KEYS / f"{table.full_name}.json"
    known: dict[str, list[str]] = {}
    with suppress(FileNotFoundError):
        known = json.loads(path.read_text(encoding="utf-8"))
    added = {digest(key, token) for token in tokens}
    name = key_id(key)
    if added <= set(known.get(name, [])):
        return
    known[name] = sorted({*known.get(name, []), *added})
    path.parent.mkdir(mode=0o700, exist_ok=True)
    replace_file(path, json.dumps(known).encode(), mode=0o600)


# --- at the pull ----------------------------------------------------------------------


def without_suppressed(
    run: Run, request: FetchRequest, fetched: list[Fetched]
) -> tuple[list[Fetched], Counter[dt.date | None]]:
    """What a source delivered, without the rows of erased persons.

    Beside it stands how many rows were left out, by business day.
    """
    table, days = request.table, Counter[dt.date | None]()
    force = in_force(run.folder)
    marks = marks_of(table, force.staged) if force else []
    if not force or not marks:
        return fetched, days
    kept = []
    for number, each in enumerate(fetched):
        found = FoundRows()
        for key, digests in force.digests.items() if each.rows else ():
            scratch = request.workspace / "scratch"
            with connect(scratch=scratch) as connection:
                matches = by_digests(connection, key, digests)
                rows = parquet_sql(each.path, file_row_number="true")
                hashed = hashed_rows(connection, table, rows, each.columns)
                found.add(
                    find_rows(connection, table, marks, hashed, each.columns, matches)
                )
        if each.state is not None and found:
            where = f"{table.full_name}: {each.origin}"
            check_unchanged(where, each.path, each.state)
        if found:
            target = request.workspace / f"kept_{number:04}.parquet"
            rows = parquet_sql(each.path, file_row_number="true")
            with _numbered(request.duckdb, found.going) as numbers:
                going = f"(from {rows} where file_row_number in {numbers})"
                tokens = tokens_of_rows(
                    request.duckdb, run, table, force.staged, going, each.columns
                )
                counts = days_of_rows(
                    request.duckdb,
                    table,
                    request.time_zone,
                    request.window,
                    going,
                    each.columns,
                )
            remember_keys(run.folder, table, company_key(), tokens)
            for (day, _), count in counts.items():
                days[day] += count
            _write_kept(request.duckdb, each.path, each.columns, found, target)
            each = replace(
                each,
                path=target,
                is_original=False,
                state=None,
                rows=each.rows - len(found.going),
            )
        kept.append(each)
    return kept, days


# --- at the admission, and for who erases ---------------------------------------------


def clean_attempt(
    run: Run, table: SourceTable, folder: Path, manifest: Manifest
) -> Manifest:
    """Leave erased persons out of what was pulled before; returns its manifest.

    Those are rows that refer to such as were left out in the same run, and all of them
    in what came back from a backup.
    """
    force = in_force(run.folder)
    marks = marks_of(table, force.staged) if force else []
    if not force or not marks:
        return manifest
    found: dict[str, FoundRows] = {}
    for key, digests in force.digests.items():
        with connect(scratch=run.folder / "scratch") as connection:
            matches = by_digests(connection, key, digests)
            for file in manifest.files:
                rows = parquet_sql(folder / file.stored, file_row_number="true")
                in_file = find_rows(
                    connection, table, marks, rows, file.columns, matches
                )
                found.setdefault(file.stored, FoundRows()).add(in_file)
    if not any(found.values()):
        return manifest
    with connect(scratch=run.folder / "scratch") as connection:
        for file in manifest.files:
            with _numbered(connection, found[file.stored].going) as numbers:
                rows = parquet_sql(folder / file.stored, file_row_number="true")
                tokens = tokens_of_rows(
                    connection,
                    run,
                    table,
                    force.staged,
                    f"(from {rows} where file_row_number in {numbers})",
                    file.columns,
                )
            remember_keys(run.folder, table, company_key(), tokens)
        return rewrite_attempt(connection, run, table, folder, manifest, found)


def rewrite_attempt(
    connection: duckdb.DuckDBPyConnection,
    run: Run,
    table: SourceTable,
    folder: Path,
    manifest: Manifest,
    found: Mapping[str, FoundRows],
) -> Manifest:
    """Write the files of an attempt anew without some rows, then its manifest.

    `found` is by the name of the stored file. Killed in between, the next call ends it:
    what the manifest counts is taken from the files.
    """
    files, gone = [], 0
    written_at = (folder / "manifest.json").stat().st_mtime_ns
    days: Counter[dt.date] = Counter(manifest.suppressed_days)
    late = [each.model_copy() for each in manifest.late]
    for file in manifest.files:
        path, in_file = folder / file.stored, found.get(file.stored, FoundRows())
        if in_file:
            rows = parquet_sql(path, file_row_number="true")
            with _numbered(connection, in_file.going) as numbers:
                counts = days_of_rows(
                    connection,
                    table,
                    run.company.time_zone,
                    manifest.window,
                    f"(from {rows} where file_row_number in {numbers})",
                    file.columns,
                    file.named_at,
                )
            for (day, arrival), count in counts.items():
                if day is None or day in manifest.window:
                    days[day or manifest.to_day] += count
                for each in late:
                    if (each.day, each.arrival_day) == (day, arrival):
                        each.rows -= count
            unfinished = path.with_name(f".{path.name}")
            _write_kept(connection, path, file.columns, in_file, unfinished)
            replace_file(path, unfinished)
        elif path.stat().st_mtime_ns <= written_at:
            files.append(file)
            continue
        (count,) = fetch_row(connection, f"select count(*) from {parquet_sql(path)}")
        files.append(_as_stored(file, path, count))
        gone += file.rows - count
    changed = manifest.model_copy(
        update={
            "files": files,
            "late": [each for each in late if each.rows > 0],
            "rows_seen": manifest.rows_seen - gone,
            "rows_taken": manifest.rows_taken - gone,
            "suppressed_rows": manifest.suppressed_rows + gone,
            "suppressed_days": dict(days),
        }
    )
    if changed != manifest:
        text = changed.model_dump_json(indent=2)
        replace_file(folder / "manifest.json", text.encode())
    return changed


def _as_stored(file: PulledFile, path: Path, rows: int) -> PulledFile:
    return file.model_copy(
        update={
            "rows": rows,
            "rows_seen": file.rows_seen - (file.rows - rows),
            "bytes": path.stat().st_size,
            "sha256": sha256(path),
        }
    )


# --- rows -----------------------------------------------------------------------------


def by_digests(
    connection: duckdb.DuckDBPyConnection, key: str, digests: set[str]
) -> Matcher:
    """Match tokens whose digest by this key is one of these."""
    set_key(connection, key)
    _keep(connection, "kith_digests", digests)
    return lambda token: (
        f"{keyed_hash(f'{literal(_DOMAIN)} || {token}')} in (from kith_digests)"
    )


def by_tokens(connection: duckdb.DuckDBPyConnection, tokens: set[str]) -> Matcher:
    """Match these tokens."""
    _keep(connection, "kith_tokens", tokens)
    return lambda token: f"{token} in (from kith_tokens)"


def _keep(
    connection: duckdb.DuckDBPyConnection, name: str, values: Iterable[str]
) -> None:
    connection.register(
        "kith_given", pa.table({"value": pa.array([*values], pa.string())})
    )
    connection.execute(f"create or replace temp table {name} as from kith_given")
    connection.unregister("kith_given")


def find_rows(
    connection: duckdb.DuckDBPyConnection,
    table: SourceTable,
    marks: list[Mark],
    relation: str,
    columns: Mapping[str, str],
    matches: Matcher,
) -> FoundRows:
    """Rows of a delivered relation, with its `file_row_number`, that concern somebody.

    `columns` has the types of the delivered columns.
    """
    names = [mark.column.name for mark in marks]
    rule = verdict(marks, typed_values(table, columns, names), matches)
    if rule is None:
        return FoundRows()
    flags = [rule.goes, *rule.blanked.values()]
    rows = connection.execute(
        f"select file_row_number, {', '.join(flags)} from {relation} "
        f"where {rule.concerns}"
    ).fetchall()
    found = FoundRows({row[0] for row in rows if row[1]})
    for place, name in enumerate(rule.blanked, start=2):
        found.blanked[name] = {row[0] for row in rows if row[place]}
    return found


def tokens_of_rows(
    connection: duckdb.DuckDBPyConnection,
    run: Run,
    table: SourceTable,
    staged: Staged,
    relation: str,
    columns: Mapping[str, str],
) -> set[str]:
    """Tokens by which others refer to these delivered rows."""
    wanted = referred_columns(run.company.sources, staged).get(table.full_name, [])
    tokens = set()
    for name, values in typed_values(table, columns, wanted).items():
        for value in values.values():
            rows = connection.execute(f"select distinct {value} from {relation}")
            tokens |= {
                f"{table.full_name}.{name}={text}"
                for (text,) in rows.fetchall()
                if text is not None
            }
    return tokens


def days_of_rows(
    connection: duckdb.DuckDBPyConnection,
    table: SourceTable,
    time_zone: str,
    window: Interval,
    relation: str,
    columns: Mapping[str, str],
    named_at: dt.datetime | None = None,
) -> dict[tuple[dt.date | None, dt.date | None], int]:
    """How many delivered rows are of each business day, and came on which."""
    kinds = declared_types(table)

    def value(name: str | None) -> str | None:
        reading = (
            read_column(table.column(name), columns, kinds[name]) if name else None
        )
        return reading.typed if reading else None

    cursor, arrived = value(table.rules.cursor), value(table.rules.arrived)
    day = row_day_sql(table, time_zone, window, "moment") if cursor else "null"
    arrivals = []
    if arrived:
        kind = kinds[table.rules.arrived or ""]
        arrivals.append(day_sql("arrived", kind, time_zone, window))
    if named_at:
        arrivals.append(f"date '{named_at.date()}'")
    rows = connection.execute(
        f"""
        select
            cast({day} as date),
            cast(coalesce({", ".join([*arrivals, "null"])}) as date),
            count(*)
        from (select {cursor or "null"} as moment, {arrived or "null"} as arrived
            from {relation})
        group by all
        """
    ).fetchall()
    return {(day, arrival): count for day, arrival, count in rows}


def _write_kept(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    columns: Mapping[str, str],
    found: FoundRows,
    target: Path,
) -> None:
    """Write a file's rows without some, each with its number in the delivery."""
    shown = "* exclude (file_row_number)"
    blanked = {name: numbers for name, numbers in found.blanked.items() if numbers}
    _keep_numbers(connection, "kith_going", found.going)
    replaced = []
    for place, (name, numbers) in enumerate(blanked.items()):
        _keep_numbers(connection, f"kith_blank_{place}", numbers)
        replaced.append(
            f"case when file_row_number not in (from kith_blank_{place}) "
            f"then {quote(name)} end as {quote(name)}"
        )
    if replaced:
        shown += f" replace ({', '.join(replaced)})"
    (is_numbered,) = fetch_row(
        connection,
        f"select count(*) > 0 from parquet_schema({file_literal(path)}) "
        f"where name = '{ROW_NUMBER}'",
    )
    if not is_numbered:
        shown += f", file_row_number + 1 as {ROW_NUMBER}"
    write_parquet(
        connection,
        f"select {shown} from {parquet_sql(path, file_row_number='true')} "
        "where file_row_number not in (from kith_going)",
        target,
    )


def _keep_numbers(
    connection: duckdb.DuckDBPyConnection, name: str, numbers: Iterable[int]
) -> None:
    values = pa.table({"number": pa.array(sorted(numbers), pa.int64())})
    connection.register("kith_given", values)
    connection.execute(f"create or replace temp table {name} as from kith_given")
    connection.unregister("kith_given")


class _numbered:
    """SQL of a subquery of numbers, for as long as it is needed."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, numbers: Iterable[int]
    ) -> None:
        self._connection, self._numbers = connection, numbers

    def __enter__(self) -> str:
        _keep_numbers(self._connection, "kith_numbers", self._numbers)
        return "(from kith_numbers)"

    def __exit__(self, *_: object) -> None:
        self._connection.execute("drop table kith_numbers")
