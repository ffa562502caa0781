"""What may be meant otherwise than it is written, for people to decide."""

from collections.abc import Sequence

import duckdb

from kith.admit.faults import type_expected
from kith.admit.judge import Attempt, names_of
from kith.company.tables import SourceTable
from kith.database import fetch_row, quote
from kith.deliveries.admitted import Delivery
from kith.deliveries.casts import declared_types
from kith.deliveries.columns import is_json, is_text
from kith.deliveries.raw import PulledFile


def warn_of_open_ends(
    table: SourceTable, files: Sequence[PulledFile], earlier: Sequence[Delivery]
) -> list[str]:
    """What to warn of: text files that may have been cut between two rows.

    Of a table that was delivered so before nobody has to be told.
    """
    found = [file for file in files if file.ends_open]
    if not found or any(delivery.report.get("ends_open") for delivery in earlier):
        return []
    return [
        f"{table.full_name}: {names_of(found)}: the last row has no line "
        "end, so that nothing tells whether rows are missing behind it; have it looked "
        "up whether the file ended so when it was written"
    ]


def warn_of_held_rows(table: SourceTable, files: Sequence[PulledFile]) -> list[str]:
    """What to warn of: values of several lines that may be rows of the file."""
    return [
        f"{table.full_name}: {file.origin}, {file.may_hold_rows}: the lines of this "
        "value look like rows of the file, which would be lost; have it looked up "
        "whether its quotes are closed where the value ends"
        for file in files
        if file.may_hold_rows
    ]


def warn_of_unread(
    connection: duckdb.DuckDBPyConnection, attempt: Attempt
) -> list[str]:
    """What to warn of: values that cannot be read and count as none."""
    if not attempt.unread:
        return []
    table, kinds = attempt.table, declared_types(attempt.table)
    counts = ", ".join(
        f"count(*) filter (where {quote(flag)})" for flag in attempt.unread.values()
    )
    with attempt.reading():
        found = fetch_row(
            connection, f"select {counts} from {attempt.judged} where _kith_good"
        )
    return [
        f"{table.full_name}: column {name}: {count} values cannot be read and count as "
        "none, as `unreadable: drop_value` says; expected "
        f"{type_expected(table.column(name), kinds[name])}; have the source mend them"
        for name, count in zip(attempt.unread, found, strict=True)
        if count
    ]


def warn_of_floats(
    connection: duckdb.DuckDBPyConnection, table: SourceTable, rows: str
) -> list[str]:
    """What to warn of: columns of text in which 17850.0 stands, perhaps for 17850.

    `rows` is the relation of the admitted rows. Not where fractions stand beside it:
    these are numbers of another kind.
    """
    rules = {
        column.name: column.rules
        for column in table.columns
        if is_text(column)
        and not (is_json(column) or column.rules.pii)
        and column.rules.whole_numbers is not False
    }
    if not rules:
        return []
    # Quick, and nearly always the end of it.
    signs = ", ".join(f"coalesce(bool_or({_may_be_float(x)}), false)" for x in rules)
    suspects = fetch_row(connection, f"select {signs} from {rows}")
    warnings = []
    for name in [name for name, is_one in zip(rules, suspects, strict=True) if is_one]:
        floats, noughts, lost, fractions, whole = _count_floats(connection, name, rows)
        if fractions:
            continue
        where = f"{table.full_name}: column {name}"
        no = f"whole_numbers: false for {name} in sources.yml if they are meant so"
        if floats and not rules[name].whole_numbers:
            warnings.append(
                f"{where}: {floats} values are written like 17850.0 and {whole} like "
                f"17850, which would be two; declare whole_numbers: true for {name} in "
                "sources.yml to read both as 17850, or false if they are meant so"
            )
        if noughts:
            warnings.append(
                f"{where}: {noughts} values are written like 17850.000 beside 17850, "
                f"which are two; have the source write both alike, or declare {no}"
            )
        if lost:
            warnings.append(
                f"{where}: {lost} values are written like 1.39E+10, whose other digits "
                "are lost, so that several could be one; have the source write them in "
                f"full, or declare {no}"
            )
    return warnings


def _may_be_float(name: str) -> str:
    """SQL of whether a text is like 17850.0 or 1.39E+10."""
    text, number = quote(name), r"\d+[.,]0+|\d+([.,]\d+)?[eE]\+\d+"
    # A case, since few end in a nought or hold a plus.
    return (
        f"case when suffix({text}, '0') or contains({text}, '+') "
        f"then regexp_full_match({text}, '{number}') else false end"
    )


def _count_floats(
    connection: duckdb.DuckDBPyConnection, name: str, rows: str
) -> tuple[int, ...]:
    """Numbers of values like 17850.0, like 17850.000 beside 17850, 1.39E+10, 1.5, 1."""
    return fetch_row(
        connection,
        rf"""
        with texts as (select {quote(name)} as text from {rows})
        select
            count(*) filter (regexp_full_match(text, '\d+[.,]00?')),
            count(*) filter (
                regexp_full_match(text, '\d+[.,]0{{3,}}')
                and regexp_extract(text, '^\d+') in (select text from texts)
            ),
            count(*) filter (regexp_full_match(text, '\d+([.,]\d+)?[eE]\+\d+')),
            count(*) filter (regexp_full_match(text, '[+-]?\d*[.,]\d*[1-9]\d*')),
            count(*) filter (regexp_full_match(text, '\d+'))
        from texts
        """,
    )
