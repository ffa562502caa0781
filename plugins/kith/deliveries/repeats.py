"""Keys that stand several times among rows of which each key counts once."""

from collections.abc import Iterable

import duckdb

from kith.database import fetch_row, quote


def key_hash(key: Iterable[str]) -> str:
    """SQL of the hash of a row's key."""
    return f"hash({', '.join(map(quote, key))})"


def find_repeated(
    connection: duckdb.DuckDBPyConnection, table: str, rows: str, key: Iterable[str]
) -> bool:
    """Create a table of the hashes of keys that stand several times in a relation.

    Returns whether there are any; otherwise there is no table.
    """
    # Sorting the hashes takes half the time and memory of grouping by the keys.
    (count,) = fetch_row(
        connection,
        f"""
        create table {table} as
        select distinct hashed
        from (
            select hashed, lag(hashed) over (order by hashed) as previous
            from (select {key_hash(key)} as hashed from {rows})
        )
        where hashed = previous
        """,
    )
    if not count:
        connection.execute(f"drop table {table}")
    return bool(count)
