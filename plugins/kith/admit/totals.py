"""Rows that may be totals of others: a word for a total stands in them, among others.

What is nothing but a total is refused (`faults.total_line`). Here are those that could
be rows as well, since a company may be called Total: people are told, nothing more.
"""

import duckdb

from kith.admit.judge import Attempt
from kith.database import fetch_row, quote
from kith.deliveries.casts import declared_types, is_number
from kith.deliveries.columns import ROW_NUMBER, is_json
from kith.deliveries.totals import is_total

_FILES_NAMED = 3


def warn_of_totals(
    connection: duckdb.DuckDBPyConnection, attempt: Attempt, rows: str
) -> list[str]:
    """What to warn of: rows with a word for a total that look like one.

    `rows` is the relation of the admitted rows. A row looks like a total where a number
    in it is the sum of those of other rows, of its whole file or of those that share
    another text with it; or where it lacks a value that all others of its file have.
    Not where most rows with that word in a file look otherwise.
    """
    kinds = declared_types(attempt.table)
    texts = [name for name in attempt.columns if _is_plain_text(attempt, kinds, name)]
    keys = {*attempt.table.rules.key, attempt.table.rules.cursor}
    numbers = [name for name in kinds if is_number(kinds[name]) and name not in keys]
    if not (texts and numbers):
        return []
    words = ", ".join(f"coalesce(bool_or({is_total(quote(x))}), false)" for x in texts)
    found = fetch_row(connection, f"select {words} from {rows}")
    warnings = []
    for label in [name for name, is_one in zip(texts, found, strict=True) if is_one]:
        others = [name for name in texts if name != label]
        warnings += _told(connection, attempt, label, others, numbers)
    return warnings


def _is_plain_text(attempt: Attempt, kinds: dict[str, str], name: str) -> bool:
    if name not in kinds:
        return True  # A new column comes as text.
    column = attempt.table.column(name)
    is_known = column.rules.pii or column.rules.accepted_values or is_json(column)
    return kinds[name] == "VARCHAR" and not is_known


def _told(
    connection: duckdb.DuckDBPyConnection,
    attempt: Attempt,
    label: str,
    others: list[str],
    numbers: list[str],
) -> list[str]:
    """What to warn of where a word for a total stands in the column `label`."""
    with attempt.reading():
        connection.execute(
            f"""
            create or replace temp table labelled as
            select
                {", ".join(map(quote, attempt.columns))}, _kith_file, {ROW_NUMBER},
                coalesce({is_total(quote(label))}, false) as _kith_is_total
            from {attempt.judged} where _kith_good
            """
        )
    sums = " or ".join(
        f"({quote(x)} <> 0 and abs({quote(x)} - others.sum_{n}) "
        f"<= 1e-9 * abs({quote(x)}))"
        for n, x in enumerate(numbers)
    )
    added = ", ".join(f"sum({quote(x)}) as sum_{n}" for n, x in enumerate(numbers))
    gaps = [name for name in attempt.columns if name != label]
    full = ", ".join(f"count({quote(x)}) as full_{n}" for n, x in enumerate(gaps))
    lacks = " or ".join(
        f"({quote(x)} is null and others.full_{n} = others.row_count)"
        for n, x in enumerate(gaps)
    )
    like_totals = " union ".join(
        f"""
        select totals._kith_file, totals.{ROW_NUMBER}
        from labelled as totals
        inner join (
            select {", ".join(shared)}, count(*) as row_count, {added}, {full}
            from labelled where not _kith_is_total
            group by {", ".join(shared)} having count(*) > 1
        ) as others using ({", ".join(shared)})
        where _kith_is_total and ({sums}{f" or {lacks}" if not shared[1:] else ""})
        """
        for shared in [["_kith_file"], *(["_kith_file", quote(x)] for x in others)]
    )
    found = connection.execute(
        f"""
        select _kith_file, list({ROW_NUMBER} order by {ROW_NUMBER}), any_value(words)
        from ({like_totals})
        inner join (
            select _kith_file, count(*) as words from labelled
            where _kith_is_total group by _kith_file
        ) using (_kith_file)
        group by _kith_file having 2 * count(*) >= any_value(words)
        order by _kith_file
        """
    ).fetchall()
    connection.execute("drop table labelled")
    warnings = []
    for file, rows, _ in found[:_FILES_NAMED]:
        shown = ", ".join(map(str, rows[:3])) + (" …" if rows[3:] else "")
        warnings.append(
            f"{attempt.table.full_name}: {file}, row {shown}: column {label} holds a "
            f"word for a total, and {len(rows)} such rows look like totals of others, "
            "which would count once more; have the file delivered without them, or "
            f"declare accepted_values for {label} in sources.yml if they are rows"
        )
    if more := found[_FILES_NAMED:]:
        count = sum(len(rows) for _, rows, _ in more)
        warnings.append(
            f"{attempt.table.full_name}: {count} such rows in {len(more)} more files"
        )
    return warnings
