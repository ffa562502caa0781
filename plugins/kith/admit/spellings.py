"""What may be meant otherwise than it is written, for people to decide."""

from collections.abc import Sequence

import duckdb

from kith.admit.judge import names_of
from kith.company.tables import SourceTable
from kith.database import fetch_row, quote
from kith.deliveries.admitted import Delivery
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


def warn_of_floats(
    connection: duckdb.DuckDBPyConnection, table: SourceTable, rows: str
) -> list[str]:
    """What to warn of: columns of text in which 17850.0 stands, perhaps for 17850.

    `rows` is the relation of the admitted rows. Not where fractions stand beside it:
    these are numbers of another kind.
    """
    names = [
        column.name
        for column in table.columns
        if is_text(column)
        and not (is_json(column) or column.rules.pii)
        and column.rules.whole_numbers is None
    ]
    if not names:
        return []
    # Quick, and nearly always the end of it.
    ends = ", ".join(
        f"coalesce(bool_or(suffix({quote(name)}, '.0') or suffix({quote(name)}, "
        "'.00')), false)"
        for name in names
    )
    suspects = fetch_row(connection, f"select {ends} from {rows}")
    warnings = []
    for name in [name for name, is_one in zip(names, suspects, strict=True) if is_one]:
        floats, fractions, whole = fetch_row(
            connection,
            f"""
            select
                count(*) filter (regexp_full_match({quote(name)}, '\\d+\\.00?')),
                count(*) filter (
                    regexp_full_match({quote(name)}, '[+-]?\\d*\\.\\d*[1-9]\\d*')
                ),
                count(*) filter (regexp_full_match({quote(name)}, '\\d+'))
            from {rows}
            """,
        )
        if floats and not fractions:
            warnings.append(
                f"{table.full_name}: column {name}: {floats} values are written like "
                f"17850.0 and {whole} like 17850, which would be two; declare "
                f"whole_numbers: true for {name} in sources.yml to read both as 17850, "
                "or false if they are meant so"
            )
    return warnings
