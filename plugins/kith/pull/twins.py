"""Files of one delivery that hold the same rows, in whatever form they came."""

from collections import defaultdict
from collections.abc import Callable, Hashable

import duckdb

from kith.company.tables import SourceTable
from kith.database import fetch_row, literal, parquet_sql, quote
from kith.deliveries.casts import (
    as_text,
    declared_types,
    read_column,
    trimmed,
    with_texts,
)
from kith.deliveries.columns import is_personal
from kith.deliveries.raw import reading
from kith.pull.connectors.request import Fetched


def find_twins(
    connection: duckdb.DuckDBPyConnection, table: SourceTable, fetched: list[Fetched]
) -> dict[str, str]:
    """Of each file that holds the same rows as one before it, the origin of that one.

    Values are compared as admission reads them: neither the name, packing and kind of a
    file matter nor the case of its header and the order of its rows and columns. What
    is not declared is compared as text.
    """

    def first_column(file: Fetched) -> Hashable:
        plain = [column.name for column in table.columns if not column.rules.pii]
        names = [table.rules.cursor] if table.rules.cursor else plain[:1]
        texts: dict[str, str] = {}
        values = _declared(table, file, names, texts)
        rows = with_texts(parquet_sql(file.path), texts)
        return _sum_of_hashes(connection, table, file, rows, values)

    def all_columns(file: Fetched) -> Hashable:
        names = [column.name for column in table.columns]
        texts: dict[str, str] = {}
        values = [*_declared(table, file, names, texts), _undeclared(table, file)]
        rows = with_texts(_hashed(connection, table, file), texts)
        return _sum_of_hashes(connection, table, file, rows, values)

    groups = [[file for file in fetched if file.rows]]
    # In order of what they cost: most files differ in the number of their rows.
    for content in (lambda file: file.rows, first_column, all_columns):
        groups = [alike for group in groups for alike in _divided(group, content)]
    return {
        file.origin: first.origin
        for first, *others in groups
        for file in others
        if file.origin != first.origin
    }


def _divided(
    files: list[Fetched], content: Callable[[Fetched], Hashable]
) -> list[list[Fetched]]:
    """Files of equal content in groups of two at least."""
    alike: dict[Hashable, list[Fetched]] = defaultdict(list)
    for file in files:
        alike[content(file)].append(file)
    return [group for group in alike.values() if group[1:]]


def _sum_of_hashes(
    connection: duckdb.DuckDBPyConnection,
    table: SourceTable,
    file: Fetched,
    rows: str,
    values: list[str],
) -> Hashable:
    with reading(f"{table.full_name}: {file.origin}", table):
        (content,) = fetch_row(
            connection,
            f"select sum(cast(hash({', '.join(['true', *values])}) as hugeint)) "
            f"from {rows}",
        )
    return int(content)


def _declared(
    table: SourceTable, file: Fetched, names: list[str], texts: dict[str, str]
) -> list[str]:
    """SQL of columns as text: as admission reads them, else as they came."""
    kinds, values = declared_types(table), []
    for name in names:
        read = read_column(
            table.column(name), file.columns, kinds[name], file.has_odd_signs, texts
        )
        values.append(
            f"coalesce(cast({read.typed} as varchar), cast({read.given} as varchar))"
            if read
            else "cast(null as varchar)"
        )
    return values


def _undeclared(table: SourceTable, file: Fetched) -> str:
    """SQL of the other columns that are filled, with their names."""
    known = {name for each in table.columns for name in each.names_in(file.columns)}
    others = sorted({*file.columns} - known, key=str.lower)
    filled = [
        f"{literal(f'{name.lower()}=')} || nullif({trimmed(text)}, '')"
        for name in others
        for text in [as_text(quote(name), file.columns[name])]
    ]
    return f"concat_ws('\n', {', '.join(filled)})" if filled else "''"


def _hashed(
    connection: duckdb.DuckDBPyConnection, table: SourceTable, file: Fetched
) -> str:
    """SQL relation of a file's rows with their identifiers as they will be stored."""
    rows = parquet_sql(file.path)
    if not is_personal(table):
        return rows
    from kith.pull.pseudonyms import hashed_rows

    with reading(f"{table.full_name}: {file.origin}", table):
        return hashed_rows(connection, table, rows, file.columns)
