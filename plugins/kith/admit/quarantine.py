"""Quarantine: bad rows are kept with their reason, and only so many may be bad."""

import shutil
from pathlib import Path
from typing import Any

import duckdb

from kith.admit.faults import (
    CURES,
    IN_ENCODING,
    OF_JSON,
    SHOWN_CHARACTERS,
    expected_of_line,
)
from kith.admit.judge import Attempt
from kith.company.tables import SourceTable
from kith.database import fetch_row, literal, parquet_sql, write_parquet
from kith.deliveries.admitted import REFUSED
from kith.deliveries.business_days import row_day_sql
from kith.deliveries.columns import ROW_NUMBER, is_personal
from kith.errors import DeliveryError
from kith.incidents.texts import without_contacts
from kith.runs.run import Run

# So many reasons are shown, and counted one by one in a summary …
_REASONS_SHOWN = 4
# … and in the error that stops a run.
_REASONS_COUNTED = 12
# Fewer bad rows than these are chance, even where no good one stands beside them.
_LEAST_OF_MOST = 3


def create_bad_rows(connection: duckdb.DuckDBPyConnection) -> None:
    """Create a table `bad_rows`, empty, for whoever finds some."""
    connection.execute(
        """
        create temp table bad_rows (
            file varchar, row_number bigint, column_name varchar, reason varchar,
            value varchar, expected varchar, payload_hash varchar, day date
        )
        """
    )


def write_quarantine(
    connection: duckdb.DuckDBPyConnection,
    run: Run,
    attempt: Attempt,
    folder: Path,
    built: Path,
    bad_count: int,
) -> list[str]:
    """Keep bad rows and unreadable lines, also in the table `bad_rows`.

    Returns a line that counts them and their reasons, where there are any. `folder` is
    that of the attempt, `built` that of what is admitted, and `bad_count` the number of
    bad rows beside those in the table. A row with several faults is reported once: the
    first, in the order of declared columns.

    Raises DeliveryError, once they are kept, when too many rows are bad.
    """
    table, manifest = attempt.table, attempt.manifest
    if bad_count:
        day = row_day_sql(table, attempt.time_zone, manifest.window)
        connection.execute(
            f"""
            insert into bad_rows
            select _kith_file, {ROW_NUMBER}, unnest(_kith_fault), {day}
            from {attempt.judged} where not _kith_good
            """
        )
    for file in manifest.files:
        if file.rejects_stored:
            connection.execute(
                f"""
                insert into bad_rows
                select {literal(file.origin)}, row_number, null, 'unreadable_line',
                    left(text, {SHOWN_CHARACTERS}),
                    left({expected_of_line(table, "error")}, {SHOWN_CHARACTERS}),
                    md5(text), null
                from {parquet_sql(folder / file.rejects_stored)}
                """
            )
    path = run.quarantine(table.full_name) / run.interval.slug / "rows.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(".rows.parquet")
    write_parquet(
        connection,
        f"select {literal(table.source)} as source_name, "
        f"{literal(table.name)} as table_name, * from bad_rows "
        "order by file, row_number",
        unfinished,
    )
    shutil.copyfile(unfinished, built / REFUSED)
    unfinished.replace(path)
    _check_shares(connection, attempt, path)
    rows = manifest.rows_taken + manifest.rejects
    return counted_reasons(connection, table, "bad_rows", rows)


def _check_shares(
    connection: duckdb.DuckDBPyConnection, attempt: Attempt, kept: Path
) -> None:
    """Raise DeliveryError when too many rows are bad; all of them are in `kept`.

    Rows of no day (unreadable, without a legible cursor, in the future) come again
    with each interval of their file, so that they are measured against the whole file,
    the others against the rows of the interval; all together where that takes them all.
    """
    table, manifest = attempt.table, attempt.manifest
    is_dated = "true"
    if table.rules.cursor:
        window = manifest.window
        is_dated = (
            f"coalesce(day between '{window.from_day}' and '{window.to_day}', false)"
        )
    dated, undated = (
        f"(from bad_rows where {condition})"
        for condition in (is_dated, f"not {is_dated}")
    )
    (undated_count,) = fetch_row(connection, f"select count(*) from {undated}")
    taken = manifest.rows_taken + manifest.rejects
    shares = [
        (dated, taken - undated_count),
        (undated, manifest.rows_seen + manifest.rejects),
    ]
    if manifest.rows_seen == manifest.rows_taken:
        shares = [("bad_rows", taken)]
    for bad, rows in shares:
        (count,) = fetch_row(connection, f"select count(*) from {bad}")
        if is_over(table, count, rows):
            told = refusal(connection, table, bad, "bad_rows", taken, "rows are bad")
            (all_bad,) = fetch_row(connection, "select count(*) from bad_rows")
            raise DeliveryError(f"{told}; all bad rows lie in {kept}").showing(
                rows=f"{all_bad} of {taken}: "
                + _counted(_reasons(connection, "bad_rows")),
                file=str(kept),
                query="select file, row_number, column_name, reason, expected "
                f"from {parquet_sql(kept)} order by file, row_number",
            )


def is_over(table: SourceTable, bad: int, rows: int) -> bool:
    """Whether so many bad ones of so many rows stop the run.

    They have to pass the share that the table allows, and its number of rows as well,
    since a few of a small delivery are chance. But most of a delivery are none, from
    three rows on, and where the share is 0 any bad row stops.
    """
    share = table.rules.quarantine_limit_pct
    return bad * 100 > share * rows and (
        bad > table.rules.quarantine_limit_rows
        or (bad >= _LEAST_OF_MOST and is_most(bad, rows))
        or share == 0
    )


def is_most(bad: int, rows: int) -> bool:
    """Whether more than half of the rows are bad."""
    return bad * 2 > rows


def refusal(
    connection: duckdb.DuckDBPyConnection,
    table: SourceTable,
    bad: str,
    all_bad: str,
    rows: int,
    what: str,
) -> str:
    """Say how many rows are bad, for which reasons, and show one of each of these.

    `all_bad` is the relation of the bad ones of so many `rows`, and `bad` that of those
    which are over the limit, whose reasons come first: file and row_number (NULL where
    a row has none), column_name, reason, value and expected.
    """
    reasons = _reasons(connection, all_bad)
    count = sum(reason[0] for reason in reasons)
    share, few = table.rules.quarantine_limit_pct, table.rules.quarantine_limit_rows
    limits = f"quarantine_limit_pct {share:g}"
    if share and few:
        (over,) = fetch_row(connection, f"select count(*) from {bad}")
        of_rows = f" and quarantine_limit_rows {few}"
        limits += of_rows if over > few else ", and most of them"
    parts = [
        f"{table.full_name}: {count} of {rows} {what} "
        f"({count * 100 / rows:.3g} %), over {limits}"
    ]
    if reasons[1:]:
        parts[0] += f": {_counted(reasons, _REASONS_COUNTED)}"
    cures: set[str] = set()
    for column, reason, file, numbers, more, example in _examples(
        connection, bad, all_bad
    ):
        origin = ""
        if file:
            listed = f"{', '.join(map(str, numbers))}{' …' if more else ''}"
            origin = f"{file}, row {listed}: "
        place = f"column {column}: {reason}" if column else reason
        found = _shown(table, example["value"], reason)
        parts.append(f"{origin}{place}, found {found}, expected {example['expected']}")
        cure = _cure(table, column, reason, example["expected"])
        if cure not in cures:
            parts.append(cure)
        cures.add(cure)
    return "; ".join(parts)


def _examples(
    connection: duckdb.DuckDBPyConnection, bad: str, all_bad: str
) -> list[tuple[Any, ...]]:
    """Of each reason the file with most such rows, its first rows, and one of them.

    Those over the limit come first, the commonest of them first; only so many come.
    """
    return connection.execute(
        f"""
        with by_file as (
            select bad_rows.column_name, bad_rows.reason, file,
                list(row_number order by row_number)[:3] as numbers,
                count(*) > 3 as has_more,
                min({{'row_number': row_number, 'value': value, 'expected': expected}})
                    as example,
                count(*) as found
            from {all_bad} as bad_rows
            group by all
        ),

        over_limit as (
            select column_name, reason, count(*) as found from {bad} group by all
        )

        select by_file.column_name, by_file.reason, by_file.file, numbers, has_more,
            example
        from by_file left join over_limit
            on over_limit.reason = by_file.reason
            and over_limit.column_name is not distinct from by_file.column_name
        qualify row_number() over (
            partition by by_file.column_name, by_file.reason
            order by by_file.found desc, by_file.file
        ) = 1
        order by coalesce(over_limit.found, 0) desc,
            sum(by_file.found) over (
                partition by by_file.column_name, by_file.reason
            ) desc,
            by_file.file, by_file.column_name, by_file.reason
        limit {_REASONS_SHOWN}
        """
    ).fetchall()


def counted_reasons(
    connection: duckdb.DuckDBPyConnection,
    table: SourceTable,
    bad: str,
    rows: int,
    waiting: int = 0,
) -> list[str]:
    """A line that counts the bad ones of so many rows and their reasons, if any are.

    So many of them are `waiting` for their counterpart.
    """
    reasons = _reasons(connection, bad)
    if not reasons:
        return []
    count = sum(reason[0] for reason in reasons)
    rules, notes = table.rules, []
    # They did not stop the run: the reader of the line should know why.
    if count * 100 > rules.quarantine_limit_pct * rows:
        share, limit = count * 100 / rows, rules.quarantine_limit_pct
        notes.append(f"{share:.3g} %, over quarantine_limit_pct {limit:g}")
        if count <= rules.quarantine_limit_rows:
            notes.append(f"within quarantine_limit_rows {rules.quarantine_limit_rows}")
    if waiting:
        notes.append(f"{waiting} wait, for {rules.orphan_wait_days} days at most")
    told = f" ({', '.join(notes)})" if notes else ""
    return [f"{table.full_name}: {count:,} of {rows:,} rows{told}: {_counted(reasons)}"]


def _reasons(
    connection: duckdb.DuckDBPyConnection, bad: str
) -> list[tuple[int, str, str | None]]:
    return connection.execute(
        f"""
        select count(*), reason, column_name from {bad}
        group by all order by count(*) desc, reason, column_name
        """
    ).fetchall()


def _counted(
    reasons: list[tuple[int, str, str | None]], most: int = _REASONS_SHOWN
) -> str:
    texts = [
        f"{count} {reason}{f' in {column}' if column else ''}"
        for count, reason, column in reasons
    ]
    others = sum(count for count, *_ in reasons[most:])
    return ", ".join(texts[:most]) + (f", {others} others" if others else "")


def _shown(table: SourceTable, value: str | None, reason: str) -> str:
    """A bad value in a message, without what a shifted column may have put there.

    Of a table with identifiers it was masked already.
    """
    if value is not None:
        return repr(value if is_personal(table) else without_contacts(value))
    return "a value that is not shown" if reason == "wrong_type" else "an empty cell"


def _cure(table: SourceTable, column: str | None, reason: str, expected: str) -> str:
    pii = table.column(column).rules.pii if column else None
    if reason == "wrong_type" and pii:
        rule = "whole_numbers" if pii in ("device", "handle") else "phone_region"
        return f"correct the source, or pii or {rule} in sources.yml"
    if reason == "unreadable_line" and expected.startswith(IN_ENCODING):
        return (
            "the file is not in the declared encoding: set options.encoding in "
            "sources.yml, e.g. cp1252 (Windows)"
        )
    if reason == "unreadable_line" and expected in OF_JSON:
        return "have the file delivered again with one object per line"
    return CURES[reason]
