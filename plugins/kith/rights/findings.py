"""What is held of some persons: the rows of theirs in all that was pulled and admitted.

Rows are found by the identifiers that stand on them, then those that refer to these, to
the end.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from kith.admit.judge import values_hash
from kith.company.tables import SourceTable
from kith.database import connect, parquet_sql, quote
from kith.deliveries.admitted import DATA, FORMER, REFUSED, all_deliveries
from kith.deliveries.columns import ROW_NUMBER
from kith.deliveries.persons import (
    Mark,
    Staged,
    admitted_values,
    marks_of,
    referred_columns,
    verdict,
)
from kith.deliveries.raw import Manifest, complete_attempts
from kith.errors import ConfigurationError
from kith.pull.suppression import FoundRows, by_tokens, find_rows, tokens_of_rows
from kith.runs.run import Run


@dataclass
class Findings:
    """Tokens of persons and of all their rows, and how many rows that is by table.

    `raw` and `admitted` count rows that go, `mentions` those of others from which a
    value goes. `refused` holds hashes of rows as the marts of refused rows have them,
    `records` source and key of rows, `shared` other identifiers beside theirs by kind.
    """

    tokens: set[str]
    raw: Counter[str] = field(default_factory=Counter)
    admitted: Counter[str] = field(default_factory=Counter)
    mentions: Counter[str] = field(default_factory=Counter)
    refused: set[str] = field(default_factory=set)
    records: set[tuple[str, str]] = field(default_factory=set)
    shared: dict[str, set[str]] = field(default_factory=dict)


def attempts(run: Run, table: SourceTable) -> Iterator[tuple[Path, Manifest]]:
    """Folder and manifest of each complete attempt of a table."""
    for interval in sorted(run.raw(table.full_name).glob("[0-9]*-[0-9]*")):
        for folder in complete_attempts(interval):
            text = (folder / "manifest.json").read_text(encoding="utf-8")
            try:
                yield folder, Manifest.model_validate_json(text)
            except ValueError:
                raise ConfigurationError(
                    f"{folder}: another version of Kith pulled it, and this one cannot "
                    "read what lies there; run these days again with make run, and "
                    "remove the folder"
                ) from None


def find(run: Run, own: set[str], staged: Staged) -> Findings:
    """All rows of those whom the tokens `own` name."""
    found = Findings(set(own))
    tables = {t.full_name: marks_of(t, staged) for t in run.company.sources}
    wanted = {name for name, marks in tables.items() if marks}
    with connect(scratch=run.folder / "scratch") as connection:
        while wanted:
            new: set[str] = set()
            for table in run.company.sources:
                if table.full_name in wanted:
                    new |= _tokens(connection, run, table, staged, found.tokens)
            new -= found.tokens
            found.tokens |= new
            places = {token.partition("=")[0] for token in new}
            wanted = {
                name
                for name, marks in tables.items()
                for mark in marks
                if mark.role == "reference"
                and places & {prefix.removesuffix("=") for prefix in mark.prefixes}
            }
        for table in run.company.sources:
            if marks := tables[table.full_name]:
                _count(connection, run, table, marks, found)
    return found


def _tokens(
    connection: duckdb.DuckDBPyConnection,
    run: Run,
    table: SourceTable,
    staged: Staged,
    known: set[str],
) -> set[str]:
    """Tokens of the rows of a table that the known ones name."""
    referred = referred_columns(run.company.sources, staged).get(table.full_name)
    if not referred:
        return set()
    marks, matches = marks_of(table, staged), by_tokens(connection, known)
    tokens: set[str] = set()
    for folder, manifest in attempts(run, table):
        for file in manifest.files:
            rows = parquet_sql(folder / file.stored, file_row_number="true")
            found = find_rows(connection, table, marks, rows, file.columns, matches)
            if found.going:
                chosen = f"(from {rows} where file_row_number in {numbers(found)})"
                tokens |= tokens_of_rows(
                    connection, run, table, staged, chosen, file.columns
                )
    rule = verdict(
        marks, admitted_values(table, [m.column.name for m in marks]), matches
    )
    for path in admitted_files(run, table) if rule else ():
        for column in referred:
            chosen = f"(from {parquet_sql(path)} where {rule.goes})" if rule else ""
            values = connection.execute(
                f"select distinct cast({quote(column)} as varchar) from {chosen}"
            ).fetchall()
            tokens |= {
                f"{table.full_name}.{column}={value}"
                for (value,) in values
                if value is not None
            }
    return tokens


def numbers(found: FoundRows) -> str:
    """SQL of the numbers of rows that go, for `in`."""
    return f"({', '.join(map(str, sorted(found.going))) or 'null'})"


def admitted_files(run: Run, table: SourceTable) -> Iterator[Path]:
    """Files of admitted rows of a table."""
    for delivery in all_deliveries(run, table):
        for name in (DATA, FORMER):
            if (path := delivery.folder / name).is_file():
                yield path


def refused_files(run: Run, table: SourceTable) -> Iterator[Path]:
    """Files of refused rows of a table."""
    yield from sorted(run.quarantine(table.full_name).glob("[0-9]*/rows.parquet"))
    for delivery in all_deliveries(run, table):
        if (path := delivery.folder / REFUSED).is_file():
            yield path


def origins(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    manifest: Manifest,
    found: dict[str, FoundRows],
) -> set[tuple[str, int]]:
    """Origin and number, as people count, of the rows of an attempt that go."""
    places: set[tuple[str, int]] = set()
    for file in manifest.files:
        in_file = found.get(file.stored)
        if not in_file or not in_file.going:
            continue
        rows = parquet_sql(folder / file.stored, file_row_number="true")
        described = connection.execute(f"describe from {rows}").fetchall()
        number = "file_row_number + 1"
        if ROW_NUMBER in {row[0] for row in described}:
            number = f"coalesce({ROW_NUMBER}, {number})"
        places |= {
            (file.origin, row)
            for (row,) in connection.execute(
                f"select {number} from {rows} "
                f"where file_row_number in {numbers(in_file)}"
            ).fetchall()
        }
    return places


def search_attempt(
    connection: duckdb.DuckDBPyConnection,
    table: SourceTable,
    marks: list[Mark],
    folder: Path,
    manifest: Manifest,
    tokens: set[str],
) -> dict[str, FoundRows]:
    """Rows of an attempt that go, by the name of the stored file."""
    matches = by_tokens(connection, tokens)
    return {
        file.stored: find_rows(
            connection,
            table,
            marks,
            parquet_sql(folder / file.stored, file_row_number="true"),
            file.columns,
            matches,
        )
        for file in manifest.files
    }


def _count(
    connection: duckdb.DuckDBPyConnection,
    run: Run,
    table: SourceTable,
    marks: list[Mark],
    found: Findings,
) -> None:
    """Count the rows of a table, and note by what they are known in marts."""
    name = table.full_name
    places: dict[str, set[tuple[str, int]]] = {}
    for folder, manifest in attempts(run, table):
        in_files = search_attempt(
            connection, table, marks, folder, manifest, found.tokens
        )
        for file in manifest.files:
            in_file = in_files[file.stored]
            found.raw[name] += len(in_file.going)
            found.mentions[name] += len(
                {n for b in in_file.blanked.values() for n in b}
            )
            if in_file.going:
                _note_shared(connection, found, marks, folder / file.stored, in_file)
        gone = origins(connection, folder, manifest, in_files)
        places.setdefault(folder.parent.name, set()).update(gone)
    matches = by_tokens(connection, found.tokens)
    columns = [mark.column.name for mark in marks]
    rule = verdict(marks, admitted_values(table, columns), matches)
    payload = values_hash(quote(column.name) for column in table.columns)
    key = " || '-' || ".join(f"cast({quote(k)} as varchar)" for k in table.rules.key)
    for path in admitted_files(run, table) if rule else ():
        goes = rule.goes if rule else "false"
        rows = connection.execute(
            f"select {payload}, {key or 'null'} from {parquet_sql(path)} where {goes}"
        ).fetchall()
        found.admitted[name] += len(rows)
        # By these an orphan is known in the mart of refused rows.
        found.refused |= {row[0] for row in rows}
        found.records |= {(table.source, row[1]) for row in rows if row[1]}
    for path in refused_files(run, table):
        found.refused |= {
            row_hash
            for file, number, row_hash in connection.execute(
                f"select file, row_number, payload_hash from {parquet_sql(path)}"
            ).fetchall()
            if (file, number) in places.get(path.parent.name, ())
        }
    found.refused.discard(None)  # type: ignore[arg-type]


def _note_shared(
    connection: duckdb.DuckDBPyConnection,
    found: Findings,
    marks: list[Mark],
    path: Path,
    in_file: FoundRows,
) -> None:
    """Note other identifiers beside theirs: those that are not only their own."""
    for mark in marks:
        if mark.role != "own":
            continue
        rows = parquet_sql(path, file_row_number="true")
        described = {
            r[0] for r in connection.execute(f"describe from {rows}").fetchall()
        }
        for came in mark.column.names_in(described):
            kind = mark.column.rules.pii or mark.prefixes[0].removesuffix("=")
            prefix = "" if mark.column.rules.pii else mark.prefixes[0]
            values = connection.execute(
                f"select distinct cast({quote(came)} as varchar) from {rows} where "
                f"file_row_number in {numbers(in_file)} and {quote(came)} is not null"
            ).fetchall()
            others = {v for (v,) in values if f"{prefix}{v}" not in found.tokens}
            if others:
                found.shared.setdefault(str(kind), set()).update(others)
