"""Hand out all that is held of one person, in one folder that they can read."""

from pathlib import Path

import duckdb

from kith.database import RELATIONS, connect, fetch_row, literal, parquet_sql, quote
from kith.deliveries.persons import admitted_values, marks_of, verdict
from kith.errors import ConfigurationError
from kith.pull.suppression import by_tokens
from kith.rights.findings import admitted_files, attempts, numbers, search_attempt
from kith.rights.plan import Preview, find_all
from kith.rights.readable import readable
from kith.rights.releases import Known, attach, rows_of
from kith.runs.marts import connect_release
from kith.runs.run import Run, current_release
from kith.settings import REPOSITORY

INDEX = "index.md"


def export_person(run: Run, file: Path | None, target: Path | None) -> Path:
    """Write what is held of the person whom a file names to a new folder.

    Raw and admitted rows by source table, rows of marts by mart, each as JSON, a line a
    row, and an index that says what they are. Only the owner may read them. Returns the
    index. Raises ConfigurationError where the file names several persons, or the folder
    is there.
    """
    if target is None:
        raise ConfigurationError("where to? Give TO=, a folder that is not there yet")
    if target.is_relative_to(REPOSITORY) or target.is_relative_to(run.home):
        raise ConfigurationError(
            f"{target}: lies in the repository or in KITH_HOME; expected a folder "
            "elsewhere, which is handed to the person and then removed"
        )
    if target.exists():
        raise ConfigurationError(
            f"{target}: is there already; expected a new folder, so that nothing of "
            "somebody else is handed out with it"
        )
    with readable(run):
        found = find_all(run, file)
        if found.request.persons[1:]:
            raise ConfigurationError(
                f"{file}: names {len(found.request.persons)} persons; expected one: "
                "nobody may be handed what is held of somebody else"
            )
        target.mkdir(mode=0o700, parents=True)
        lines = _rows_of_tables(run, found, target)
        lines += _rows_of_marts(run, found, target)
    kinds: dict[str, int] = {}
    for kind, _ in found.plan.identifiers:
        kinds[kind] = kinds.get(kind, 0) + 1
    text = [
        f"# What {run.company.title} holds of you",
        "",
        "You are known by "
        + (", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "-")
        + ". Addresses, telephone numbers, cards and the like are stored as keyed "
        "hashes only, from which nobody can read them.",
        "",
        "Each file has one row a line, as JSON. `raw` is what a system has delivered, "
        "`admitted` what was taken of it after a check, `marts` what was computed.",
        "",
        "| file | rows | what it is |",
        "|---|---:|---|",
        *lines,
        "",
        f"Others' rows that mention you: {found.findings.mentions.total()}. They are "
        "not handed out, since they are about somebody else.",
    ]
    index = target / INDEX
    _write(index, "\n".join(text) + "\n")
    return index


def _rows_of_tables(run: Run, found: Preview, target: Path) -> list[str]:
    lines = []
    tokens = set(found.plan.tokens)
    with connect(scratch=run.folder / "scratch") as connection:
        for table in run.company.sources:
            marks = marks_of(table, found.plan.staged)
            if not marks:
                continue
            rows: list[str] = []
            for folder, manifest in attempts(run, table):
                in_files = search_attempt(
                    connection, table, marks, folder, manifest, tokens
                )
                for file in manifest.files:
                    if in_files[file.stored].going:
                        path = folder / file.stored
                        relation = parquet_sql(path, file_row_number="true")
                        chosen = f"file_row_number in {numbers(in_files[file.stored])}"
                        rows += _as_json(
                            connection,
                            f"select * exclude (file_row_number), "
                            f"{literal(file.origin)} as _kith_file, "
                            f"{literal(folder.name)} as _kith_pulled "
                            f"from {relation} where {chosen}",
                        )
            lines += _listed(target, f"raw/{table.full_name}", rows, "as delivered")
            names = [mark.column.name for mark in marks]
            matches = by_tokens(connection, tokens)
            rule = verdict(marks, admitted_values(table, names), matches)
            rows = []
            for path in admitted_files(run, table) if rule else ():
                goes = rule.goes if rule else "false"
                query = f"select * from {parquet_sql(path)} where {goes}"
                rows += _as_json(connection, query)
            lines += _listed(target, f"admitted/{table.full_name}", rows, "as admitted")
    return lines


def _rows_of_marts(run: Run, found: Preview, target: Path) -> list[str]:
    release = current_release(run.published)
    if release is None:
        return []
    lines, plan = [], found.plan
    known = Known(
        set(plan.identifiers),
        set(plan.person_ids),
        set(plan.records),
        set(plan.refused),
    )
    database = run.published / release / "kith.duckdb"
    scratch = run.folder / "scratch"
    with connect_release(database, scratch=scratch) as connection:
        attach(connection, known)
        tables: dict[tuple[str, str], dict[str, str]] = {}
        for schema, name, column, kind in connection.execute(
            "select schema_name, table_name, column_name, data_type "
            "from duckdb_columns() where not internal "
            "and database_name = current_database() order by all"
        ).fetchall():
            tables.setdefault((schema, name), {})[column] = kind
        for (schema, name), columns in tables.items():
            if goes := rows_of(columns):
                mart = f"{quote(schema)}.{quote(name)}"
                rows = _as_json(connection, f"select * from {mart} where {goes}")
                (comment,) = fetch_row(
                    connection,
                    f"select any_value(comment) from {RELATIONS} where "
                    f"schema_name = {literal(schema)} and table_name = {literal(name)}",
                )
                what = " ".join((comment or "").split()).partition(". ")[0]
                lines += _listed(target, f"marts/{schema}.{name}", rows, what)
    return lines


def _as_json(connection: duckdb.DuckDBPyConnection, query: str) -> list[str]:
    found = connection.execute(f"select to_json(found) from ({query}) as found")
    return [str(row) for (row,) in found.fetchall()]


def _listed(target: Path, name: str, rows: list[str], what: str) -> list[str]:
    """Write rows to a file of their own; returns its line of the index."""
    if not rows:
        return []
    path = target / f"{name}.jsonl"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    _write(path, "".join(f"{row}\n" for row in rows))
    return [f"| {name}.jsonl | {len(rows)} | {what.replace('|', '/')} |"]


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
