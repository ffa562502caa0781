"""What the rows of a table say: its key, its cursor, its days of delivery, references.

A key is declared only when it is unique over all rows.
"""

import datetime as dt
import itertools
import re
from dataclasses import dataclass, field
from typing import Any

import duckdb

from kith.database import fetch_row, literal, quote
from kith.scaffold.columns import ColumnGuess, aggregates, guess_columns, quoted
from kith.scaffold.deliveries import Delivery
from kith.scaffold.vocabulary import WORDS, cursor_rank, title_words

_FIRST_LOOK = 50_000
_FEW_ROWS = 20


@dataclass
class TableGuess:
    """A table as it will be declared; `typed` is a view of its rows in their types."""

    delivery: Delivery
    columns: list[ColumnGuess]
    typed: str
    key: list[str] = field(default_factory=list)
    cursor: str | None = None
    rules: dict[str, Any] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Its name in sources.yml."""
        return self.delivery.name

    def column(self, name: str) -> ColumnGuess:
        """The column of that name."""
        return next(column for column in self.columns if column.name == name)

    def has_gaps(self, column: ColumnGuess) -> bool:
        """Whether a row lacks the column's value, or may come to lack it."""
        return (
            column.given < self.delivery.rows
            or "null_values" in column.rules
            or column.name in self.delivery.missing
        )


def profile(connection: duckdb.DuckDBPyConnection, delivery: Delivery) -> TableGuess:
    """Guess the columns and the key of one table."""
    columns = guess_columns(connection, delivery)
    table = TableGuess(delivery, columns, typed=f"typed_{delivery.view}")
    listed = ", ".join(
        f"{column.reading(delivery.raw_types).typed} as {quote(column.name)}"
        for column in columns
    )
    # As cheap to ask as the rows themselves, see there.
    connection.execute(
        f"create temp {delivery.kind} {table.typed} as "
        f"select {listed}, _kith_file from {delivery.view}"
    )
    bounded = [column for column in columns if column.is_time or column.is_number]
    bounds = aggregates(
        connection,
        table.typed,
        (f"{least}({quote(c.name)})" for c in bounded for least in ("min", "max")),
    )
    for column, low, high in zip(bounded, bounds[::2], bounds[1::2], strict=True):
        column.low, column.high = low, high
    _guess_key(connection, table)
    return table


# --- keys -----------------------------------------------------------------------------


def _guess_key(connection: duckdb.DuckDBPyConnection, table: TableGuess) -> None:
    rows = table.delivery.rows
    if rows < 2:
        table.doubts.append("too few rows to find a key; declare `key`")
        return
    everything = quoted(table.columns)
    different = _count_different(connection, table.typed, everything)
    # Most combinations show a repeat at once.
    connection.execute(
        f"create or replace temp table first_look as "
        f"select distinct {everything} from {table.typed} limit {_FIRST_LOOK}"
    )
    looked_at = min(different, _FIRST_LOOK)
    parts = _key_parts(table)
    distinct = dict(
        zip(
            [part.name for part in parts],
            aggregates(
                connection,
                "first_look",
                (f"count(distinct {quote(part.name)})" for part in parts),
            ),
            strict=True,
        )
    )
    combinations = itertools.chain.from_iterable(
        itertools.combinations(parts, size) for size in (1, 2, 3)
    )
    for chosen in combinations:
        most = 1
        for part in chosen:
            most *= distinct[part.name]
        listed = quoted(chosen)
        if (
            most >= looked_at
            and any(part.is_id for part in chosen)
            and (different == rows or len(chosen) < len(table.columns))
            and _count_different(connection, "first_look", listed) == looked_at
            and _count_different(connection, table.typed, listed) == different
        ):
            table.key = [part.name for part in chosen]
            if rows < _FEW_ROWS or not all(part.is_id for part in chosen):
                table.doubts.append(
                    f"key {', '.join(table.key)}: unique in these {rows} rows, but is "
                    "it by meaning? Of rows with an equal key only the latest counts"
                )
            if different < rows:
                table.doubts.append(
                    f"{rows - different} rows repeat another one entirely; they count "
                    "as duplicates"
                )
            return
    table.doubts.append(
        f"no key, and {rows - different} rows repeat another one entirely; all are "
        "kept, drop_exact_duplicates: true would count equal rows once"
        if different < rows
        else "no key of up to three columns: a row is known by its whole content, so "
        "that a corrected row counts as a new one; declare `key` if there is one"
    )


def _count_different(
    connection: duckdb.DuckDBPyConnection, relation: str, listed: str
) -> int:
    (count,) = fetch_row(
        connection, f"select count(*) from (select distinct {listed} from {relation})"
    )
    return int(count)


def _key_parts(table: TableGuess) -> list[ColumnGuess]:
    """Columns that may be part of a key, the likeliest first, a dozen at most."""

    def rank(column: ColumnGuess) -> tuple[bool, bool]:
        is_part = WORDS["key_part"] & set(column.words) or column.is_time
        return (not column.is_id, not is_part)

    return sorted(
        (
            column
            for place, column in enumerate(table.columns)
            if not table.has_gaps(column)
            and not column.data_type.startswith(("decimal", "double", "boolean"))
            and (place == 0 or rank(column) != (True, True))
            and not WORDS["postcode"] & set(column.words)
        ),
        key=rank,
    )[:12]


# --- time -----------------------------------------------------------------------------


def possible_cursors(table: TableGuess) -> list[ColumnGuess]:
    """Times that all rows have, that are past, and whose name says no other thing."""
    today = dt.datetime.now(dt.UTC).date()
    return [
        column
        for column in table.columns
        if column.is_time
        and not table.has_gaps(column)
        and column.high is not None
        and day_of(column.high) <= today
        and not set(column.words) & WORDS["never_cursor"]
    ]


def day_of(moment: dt.date) -> dt.date:
    """The day of a date or a timestamp."""
    return moment.date() if isinstance(moment, dt.datetime) else moment


def guess_cursor(table: TableGuess, is_flow: bool) -> None:
    """Declare the column that says to which day a row belongs, where there is one.

    `is_flow`: the rows are events that come day by day, not a list that is kept up
    to date.
    """
    possible = possible_cursors(table)
    if not possible:
        return
    best = max(possible, key=lambda column: cursor_rank(column.words))
    if not is_flow:
        table.doubts.append(
            "delivered whole each time; if deliveries bring new rows only, declare "
            f"cursor: {best.name}"
        )
        return
    table.cursor = best.name
    others = [column.name for column in possible if column is not best]
    table.doubts.append(
        f"cursor {best.name}{f' (or {chr(44).join(others)})' if others else ''}: a row "
        "belongs to the day that it tells, and a row changed later is not fetched "
        "again; leave cursor out if deliveries hold the whole table"
    )


def guess_dated_path(connection: duckdb.DuckDBPyConnection, table: TableGuess) -> None:
    """Say in `path` where files carry the day of their delivery in their names."""
    paths = table.delivery.files
    found = [
        re.findall(r"(?<!\d)(\d{4})([-_.]?)(\d{2})\2(\d{2})(?!\d)", path.name)
        for path in paths
    ]
    try:
        days = [
            dt.date(int(year), int(month), int(day))
            for ((year, _, month, day),) in found
        ]
    except ValueError:
        return
    if len(days) < 2 or len(set(days)) < len(days):
        return
    sign = found[0][0][1]
    dated = re.sub(
        r"\d{4}([-_.]?)\d{2}\1\d{2}",
        f"{{date:%Y{sign}%m{sign}%d}}",
        paths[0].name,
    )
    if table.cursor is None:
        if not _are_snapshots(connection, table):
            return
        table.doubts.append(
            "each file repeats most rows of the one before, so that only the newest "
            "counts; with path …*… instead of {date:…} all files would"
        )
    else:
        cases = " ".join(
            f"when {literal(path.name)} then date '{day}'"
            for path, day in zip(paths, days, strict=True)
        )
        lag = f"case _kith_file {cases} end - cast({quote(table.cursor)} as date)"
        earliest, latest = aggregates(
            connection, table.typed, (f"min({lag})", f"max({lag})")
        )
        if earliest < 0 or latest > 31:
            return
        if latest:
            table.rules["look_back_days"] = latest
        table.doubts.append(
            "the day in a file's name is taken for the day on which its rows came, at "
            f"most {latest} days after theirs; rows later than look_back_days are left "
            "out"
        )
    table.delivery.path = str(paths[0].with_name(dated))


def _are_snapshots(connection: duckdb.DuckDBPyConnection, table: TableGuess) -> bool:
    """Whether the last file repeats at least half of the rows of the one before."""
    before, last = (
        f"(select * exclude (_kith_file) from {table.typed} "
        f"where _kith_file = {literal(path.name)})"
        for path in table.delivery.files[-2:]
    )
    common, rows = fetch_row(
        connection,
        f"select (select count(*) from (from {before} intersect all from {last})), "
        f"(select count(*) from {before})",
    )
    return bool(rows and common * 2 >= rows)


# --- references -----------------------------------------------------------------------


def guess_references(
    connection: duckdb.DuckDBPyConnection, tables: list[TableGuess], source: str
) -> None:
    """Declare in which other table the values of a column are found."""
    parents = [
        (parent, parent.column(parent.key[0]))
        for parent in tables
        if len(parent.key) == 1 and parent.column(parent.key[0]).is_id
    ]
    # Orders are named by their id first, their payments only by the way.
    parents.sort(key=lambda one: not title_words(one[0].name) & set(one[1].words))
    for table, (parent, key) in itertools.product(tables, parents):
        for column in table.columns:
            if (
                column.given
                and [column.name] != table.key
                and parent is not table
                and "references" not in column.rules
                and key.data_type == column.data_type
                and _means_key(column, key, parent)
            ):
                _declare_reference(connection, table, column, parent, key, source)


def _means_key(column: ColumnGuess, key: ColumnGuess, parent: TableGuess) -> bool:
    if column.words == key.words:
        return "".join(key.words) not in WORDS["id"]
    nouns = title_words(parent.name.split("_")[-1])
    *noun, last = column.words[-2:]
    return (set(noun) <= nouns and last in ("id", "code")) or {*column.words} == nouns


def _declare_reference(
    connection: duckdb.DuckDBPyConnection,
    table: TableGuess,
    column: ColumnGuess,
    parent: TableGuess,
    key: ColumnGuess,
    source: str,
) -> None:
    child = quote(column.name)
    given, orphans = fetch_row(
        connection,
        f"""
        select count(*), count(*) filter (where {child} not in (
            select {quote(key.name)} from {parent.typed}
        ))
        from {table.typed} where {child} is not null
        """,
    )
    if orphans > 0.05 * given:
        return
    column.rules["references"] = {
        "table": f"{source}.{parent.name}",
        "column": key.name,
    }
    if orphans:
        column.rules["references"]["orphans"] = "warn"
        column.doubts.append(
            f"{orphans} of {given} values are not in {parent.name}; without orphans: "
            "warn these rows would wait in quarantine"
        )
