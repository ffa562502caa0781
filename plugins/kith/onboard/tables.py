"""What the rows of a table say: its key, its cursor, its days of delivery, references.

A key is declared only when it is unique over all rows.
"""

import datetime as dt
import graphlib
import itertools
import math
import re
from dataclasses import dataclass, field

from duckdb import DuckDBPyConnection, DuckDBPyRelation

from kith.company.tables import literal_path
from kith.database import literal, quote
from kith.onboard.columns import ColumnGuess, aggregates, guess_columns, quoted
from kith.onboard.deliveries import TableFiles, keep
from kith.onboard.doubts import CUSTOMERS, NUMBERS
from kith.onboard.vocabulary import cursor_rank, title_words

_FIRST_LOOK = 50_000
_FEW_ROWS = 20
# So many rows of a table are corrections at most.
_FEW_REPEATS = 0.5
# With which programs begin to count days.
_PLACEHOLDERS = ("1899-12-30", "1899-12-31", "1900-01-01", "1970-01-01")


@dataclass
class TableGuess:
    """A table as it will be declared; `typed` are its rows in their types.

    `person` tells whom its rows are about.
    """

    delivery: TableFiles
    columns: list[ColumnGuess]
    typed: DuckDBPyRelation
    key: list[str] = field(default_factory=list)
    cursor: str | None = None
    arrived: str | None = None
    look_back_days: int = 0
    doubts: list[str] = field(default_factory=list)
    person: "Person | None" = None

    @property
    def name(self) -> str:
        """Its name in sources.yml; that of a list's items stands in staging only."""
        return self.delivery.name

    @property
    def source_name(self) -> str:
        """The name in sources.yml of the table from which its rows come."""
        return self.delivery.source or self.name

    @property
    def declared_columns(self) -> list[ColumnGuess]:
        """Its columns but for the fields of those that hold others."""
        return [column for column in self.columns if not column.within]

    @property
    def fields(self) -> list[ColumnGuess]:
        """The columns that staging takes out of others."""
        return [column for column in self.columns if column.within]

    def column(self, name: str) -> ColumnGuess:
        """The column of that name."""
        return next(column for column in self.columns if column.name == name)

    def is_named_by(self, column: ColumnGuess) -> bool:
        """Whether a column seems to name rows: an id, or `ticket` of tickets."""
        return column.is_id or set(column.words) <= title_words(self.name)

    def has_gaps(self, column: ColumnGuess) -> bool:
        """Whether a row lacks the column's value, or may come to lack it."""
        return bool(
            column.given < self.delivery.rows
            or {"null_values", "unreadable"} & set(column.rules)
            or column.name in self.delivery.missing
        )


@dataclass(frozen=True, eq=False)
class Step:
    """From `column` of one table to the row of `parent` whose key it is."""

    column: ColumnGuess
    parent: TableGuess


@dataclass(frozen=True, eq=False)
class Person:
    """The column that names the customer, and the steps to its table."""

    column: ColumnGuess
    kind: str
    has_gaps: bool
    steps: tuple[Step, ...] = ()


def profile(
    connection: DuckDBPyConnection, delivery: TableFiles, number: str
) -> TableGuess:
    """Guess the columns and the key of one table."""
    columns = guess_columns(delivery)
    typed = ", ".join(
        f"{_typed(delivery, column)} as {quote(column.name)}" for column in columns
    )
    rows = keep(
        connection,
        f"typed_{number}",
        f"select {typed}, _kith_file from {delivery.delivered.alias}",
        delivery.rows * len(columns),
    )
    _bound(rows, columns)
    table = TableGuess(delivery, columns, rows)
    if not delivery.items:
        _guess_key(connection, table, f"first_look_{number}")
    return table


def _typed(delivery: TableFiles, column: ColumnGuess) -> str:
    if column.data_type == "json":
        (raw,) = column.delivered
        return f"cast({quote(raw)} as varchar)"
    return column.reading(delivery).typed


def _bound(rows: DuckDBPyRelation, columns: list[ColumnGuess]) -> None:
    """Tell least and greatest value of each column, without days that mean none."""
    listed = ", ".join(f"date '{day}'" for day in _PLACEHOLDERS)

    def bounds(column: ColumnGuess) -> list[str]:
        name = quote(column.name)
        if not column.is_time or column.has_word("birth"):
            return [f"min({name})", f"max({name})", "null", "0"]
        day = f"cast({name} as date)"
        real, none = (
            f"filter (where {day} {sign} ({listed}))" for sign in ("not in", "in")
        )
        return [
            *(f"min({name}) {real}", f"max({name}) {real}"),
            *(f"min({day}) {none}", f"count(*) {none}"),
        ]

    bounded = [column for column in columns if column.is_time or column.is_number]
    values = iter(aggregates(rows, itertools.chain(*map(bounds, bounded))))
    for column in bounded:
        column.low, column.high, day, count = (next(values) for _ in range(4))
        if count:
            column.doubts.append(
                f"{NUMBERS}{count} values are {day}, a day that mostly stands for "
                "none: "
                "it is not taken for the company's first day; if it means nothing, "
                "declare it among null_values, as it is written"
            )


# --- keys -----------------------------------------------------------------------------


def _guess_key(connection: DuckDBPyConnection, table: TableGuess, name: str) -> None:
    count = table.delivery.rows
    if count < 2:
        table.doubts.append(f"{NUMBERS}too few rows to find a key; declare `key`")
        return
    different_rows = table.typed.project(quoted(table.columns)).distinct()
    different = _count(different_rows)
    # Most combinations show a repeat at once.
    different_rows.limit(_FIRST_LOOK).create(name)
    first_look = connection.table(name)
    looked_at = min(different, _FIRST_LOOK)
    parts = _key_parts(table)
    counts = aggregates(
        first_look, (f"count(distinct {quote(part.name)})" for part in parts)
    )
    distinct = {part.name: number for part, number in zip(parts, counts, strict=True)}
    for chosen in itertools.chain.from_iterable(
        itertools.combinations(parts, size) for size in (1, 2, 3)
    ):
        if (
            math.prod(distinct[part.name] for part in chosen) >= looked_at
            and any(map(table.is_named_by, chosen))
            and (different == count or len(chosen) < len(table.columns))
            and _count(first_look.project(quoted(chosen)).distinct()) == looked_at
            and _count(table.typed.project(quoted(chosen)).distinct()) == different
        ):
            # Rows that differ in it are states of one thing.
            states = [part for part in chosen if part.is_change and chosen[1:]]
            chosen = tuple(part for part in chosen if part not in states)
            table.key = [part.name for part in chosen]
            if states:
                table.doubts.append(
                    f"{NUMBERS}several rows of one {', '.join(table.key)} differ in "
                    f"{states[0].name}: they are taken for states of one thing, of "
                    "which the latest counts; if they are things of their own, add it "
                    "to `key`"
                )
            is_odd = count < _FEW_ROWS or not all(
                part.is_id or part.has_word("key_part") for part in chosen
            )
            if different < count:
                table.doubts.append(
                    f"{NUMBERS}{count - different} rows repeat another one entirely; "
                    "they count as duplicates"
                )
            if is_odd:
                _doubt_corrections(table, parts)
            if (different == count or is_odd) and not states:
                table.doubts.append(
                    f"{NUMBERS if is_odd else ''}key {', '.join(table.key)}: unique in "
                    f"these {different} rows, but is it by meaning? No row shows a "
                    "correction of another; of rows with an equal key only the latest "
                    "counts, and none where nothing tells which that is"
                )
            return
    _doubt_corrections(table, parts)
    table.doubts.append(
        f"{NUMBERS}no key, and {count - different} rows repeat another one entirely; "
        "all are "
        "kept, drop_exact_duplicates: true would count equal rows once"
        if different < count
        else f"{NUMBERS}no key of up to three columns: a row is known by its whole "
        "content, so "
        "that a corrected row counts as a new one; declare `key` if there is one"
    )


def _doubt_corrections(table: TableGuess, parts: list[ColumnGuess]) -> None:
    """Doubt that rows of what names a row are rows of their own, where it is seldom.

    Nothing tells which is newer where no column says when a row was changed.
    """
    if any(column.is_change for column in table.columns):
        return
    names = [part for part in parts if part.is_id and table.is_named_by(part)]
    titled = [part for part in names if set(part.words) & title_words(table.name)]
    for name in (titled or names)[:1]:
        repeats = name.given - name.distinct
        if 0 < repeats <= _FEW_REPEATS * name.given:
            table.doubts.append(
                f"{NUMBERS}{repeats} rows repeat another one's {name.name} with other "
                "contents, and no column tells when a row was changed: if they correct "
                f"the others, declare key: [{name.name}] and what says which is newer "
                "(arrived, {date:…} in path or repeated_key: last_in_file); of them "
                "one with an earlier cursor never counts"
            )


def _count(rows: DuckDBPyRelation) -> int:
    (count,) = aggregates(rows, ["count(*)"])
    return int(count)


def _key_parts(table: TableGuess) -> list[ColumnGuess]:
    """Columns that may be part of a key, the likeliest first, a dozen at most."""

    def rank(column: ColumnGuess) -> int:
        is_part = column.has_word("key_part") or column.is_time
        return 2 * (not table.is_named_by(column)) + (not is_part)

    return sorted(
        (
            column
            for place, column in enumerate(table.columns)
            if not table.has_gaps(column)
            and not column.data_type.startswith(
                ("decimal", "double", "boolean", "json")
            )
            and not column.within
            and (place == 0 or rank(column) < 3)
            and not column.has_word("postcode")
            and "pii" not in column.rules
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
        and not column.within
        and not table.has_gaps(column)
        and column.high is not None
        and day_of(column.high) <= today
        and not column.has_word("never_cursor")
    ]


def day_of(moment: dt.date) -> dt.date:
    """The day of a date or a timestamp."""
    return moment.date() if isinstance(moment, dt.datetime) else moment


def guess_cursor(table: TableGuess, is_flow: bool) -> None:
    """Declare the column that says to which day a row belongs, where there is one.

    `is_flow`: the rows are events that come day by day, not a list that is kept up
    to date.
    """
    # Of a day and a moment the moment tells more.
    columns = sorted(
        possible_cursors(table),
        key=lambda column: (-cursor_rank(column.words), column.data_type == "date"),
    )
    possible = [column.name for column in columns]
    if not possible:
        return
    if not is_flow:
        table.doubts.append(
            "delivered whole each time; if deliveries bring new rows only, declare "
            f"cursor: {possible[0]}"
        )
        return
    table.cursor = possible[0]
    _guess_arrival(table)
    others = f" (or {', '.join(possible[1:])})" if possible[1:] else ""
    told = "a row belongs to the day that it tells, and a row changed later "
    if columns[0].is_change:
        told += "comes again on the day of its change"
    else:
        told += "is not fetched again"
    table.doubts.append(
        f"cursor {table.cursor}{others}: {told}; leave cursor out if deliveries hold "
        "the whole table"
    )


def _guess_arrival(table: TableGuess) -> None:
    """Let a time of change that not all rows have tell which of two rows is newer."""
    changes = [
        column
        for column in table.columns
        if column.is_change and not column.within and column.high is not None
    ]
    if not changes or table.column(table.cursor or "").is_change:
        return
    table.arrived = changes[0].name
    table.doubts.append(
        f"{NUMBERS}arrived {table.arrived}: not all rows have it, so that it is no "
        f"cursor; of rows with one key and {table.cursor} the one changed last counts, "
        f"but a correction with an earlier {table.cursor} does not"
    )


def guess_dated_path(table: TableGuess) -> None:
    """Say in `path` where files carry the day of their delivery in their names."""
    paths = table.delivery.files
    date = re.compile(r"(?<!\d)(\d{4})([-_.]?)(\d{2})\2(\d{2})(?!\d)")
    found = [date.findall(path.name) for path in paths]
    try:
        days = {
            path.name: dt.date(int(year), int(month), int(day))
            for path, ((year, _, month, day),) in zip(paths, found, strict=True)
        }
    except ValueError:
        return
    if len(days) < 2 or len(set(days.values())) < len(days):
        return
    if table.cursor is None:
        if not _are_snapshots(table):
            return
        table.doubts.append(
            f"{NUMBERS}each file repeats most rows of the one before, so that only the "
            "newest "
            "counts; with path …*… instead of {date:…} all files would"
        )
    else:
        cases = " ".join(
            f"when {literal(name)} then date '{day}'" for name, day in days.items()
        )
        cursor = quote(table.cursor)
        lag = f"case _kith_file {cases} end - cast({cursor} as date)"
        first = day_of(table.column(table.cursor).low)
        of_days = table.typed.filter(f"{cursor} >= date '{first}'")
        earliest, latest = aggregates(of_days, (f"min({lag})", f"max({lag})"))
        if earliest < 0 or latest > 31:
            return
        table.look_back_days = latest
        table.doubts.append(
            f"{NUMBERS}the day in a file's name is taken for the day on which its rows "
            "came, at "
            f"most {latest} days after theirs; rows later than look_back_days are left "
            "out"
        )
    before, _, sign, _, _, after = date.split(paths[0].name)
    folder, before, after = map(literal_path, (str(paths[0].parent), before, after))
    table.delivery.path = f"{folder}/{before}{{date:%Y{sign}%m{sign}%d}}{after}"


def _are_snapshots(table: TableGuess) -> bool:
    """Whether the last file repeats at least half of the rows of the one before."""
    before, last = (
        table.typed.filter(f"_kith_file = {literal(path.name)}").project(
            quoted(table.columns)
        )
        for path in table.delivery.files[-2:]
    )
    return _count(before.intersect(last)) * 2 >= _count(before) > 0


# --- references -----------------------------------------------------------------------


def guess_references(tables: list[TableGuess], source: str) -> None:
    """Declare in which other table the values of a column are found."""
    parents = [
        (parent, parent.column(parent.key[0]))
        for parent in tables
        if len(parent.key) == 1 and parent.is_named_by(parent.column(parent.key[0]))
    ]
    # Orders are named by their id first, their payments only by the way.
    parents.sort(
        key=lambda one: (
            not title_words(one[0].name) & set(one[1].words),
            len(title_words(one[0].name)),
        )
    )
    known: dict[str, set[str]] = {table.name: set() for table in tables}
    for table, (parent, key) in itertools.product(tables, parents):
        for column in table.columns:
            if (
                column.given
                and not column.within
                and ([column.name] != table.key or _is_part(table, parent, key))
                and parent is not table
                and "references" not in column.rules
                and _means_key(column, key, parent)
                and not _is_circle(
                    {**known, table.name: {*known[table.name], parent.name}}
                )
            ):
                # What is hashed on one side only would never be found.
                is_alike = "pii" not in column.rules and (
                    key.data_type == column.data_type
                )
                if is_alike and _declare_reference(table, column, parent, key, source):
                    known[table.name].add(parent.name)
                elif column.has_word("person"):
                    _doubt_strangers(table, column, parent, key)


def _is_part(table: TableGuess, parent: TableGuess, key: ColumnGuess) -> bool:
    """Whether a table with the key of another one seems to add to that one's rows."""
    own, others = title_words(table.name), title_words(parent.name)
    nouns = set(key.words)
    return bool(others & nouns) and (others < own or not own & nouns)


def _is_circle(references: dict[str, set[str]]) -> bool:
    try:
        graphlib.TopologicalSorter(references).prepare()
    except graphlib.CycleError:
        return True
    return False


def _means_key(column: ColumnGuess, key: ColumnGuess, parent: TableGuess) -> bool:
    if column.words == key.words:
        return not (len(key.words) == 1 and key.has_word("id"))
    nouns = title_words(parent.name.split("_")[-1])
    *noun, last = column.words[-2:]
    return (set(noun) <= nouns and last in ("id", "code")) or {*column.words} == nouns


def _declare_reference(
    table: TableGuess,
    column: ColumnGuess,
    parent: TableGuess,
    key: ColumnGuess,
    source: str,
) -> bool:
    children = table.typed.project(f"{quote(column.name)} as child")
    keys = parent.typed.project(f"{quote(key.name)} as parent")
    given, found = aggregates(
        children.filter("child is not null").join(keys, "child = parent", how="left"),
        ("count(child)", "count(parent)"),
    )
    orphans = given - found
    if orphans > 0.05 * given:
        return False
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
    return True


def _doubt_strangers(
    table: TableGuess, column: ColumnGuess, parent: TableGuess, key: ColumnGuess
) -> None:
    """Doubt that numbers of persons are those of the file of persons."""
    where = f"{parent.name}.{key.name}"
    if "pii" in column.rules:
        column.doubts.append(
            f"{CUSTOMERS}hashed, while {where} is not, so that the two never meet; "
            "declare pii for both or for neither"
        )
        return
    child, parent_key = (
        f"cast({quote(each.name)} as varchar)" for each in (column, key)
    )
    children = table.typed.project(f"{child} as child").distinct()
    keys = parent.typed.project(f"{parent_key} as parent")

    def met(whole: str = "{0}") -> int:
        on = f"{whole.format('child')} = {whole.format('parent')}"
        return _count(children.join(keys, on, how="semi"))

    given, found = _count(children.filter("child is not null")), met()
    if found < 0.95 * given:
        as_whole = met("regexp_replace({0}, '\\.0+$', '')")
        cure = (
            f"; {as_whole} are without the .0 of a number that was no whole one: have "
            "it taken off, or declare both bigint"
            if as_whole > found
            else "; are they other numbers, or written in another way?"
        )
        column.doubts.append(
            f"{CUSTOMERS}{found} of {given} values are in {where}{cure}"
        )
