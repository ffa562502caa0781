"""What a staging model will hold, and how it names and reads columns."""

import re
from dataclasses import dataclass, field
from functools import cache

import duckdb
import yaml

from kith.company.folder import feed_names
from kith.database import quote
from kith.onboard.columns import ColumnGuess
from kith.onboard.deliveries import plain_name
from kith.onboard.tables import TableGuess
from kith.settings import REPOSITORY

_FEEDS = REPOSITORY / "dbt_project" / "models" / "feeds"
COMMON = {"source", "identifier_type", "identifier_value", "loaded_at"}


@dataclass
class Lookup:
    """Columns that a staging model finds in another table by a column of its own.

    `key` is that column, `key_sql` the same in the other table; `select` maps names to
    SQL there. The other table may have several rows of a key where `is_grouped`.
    """

    table: TableGuess
    key: str
    key_sql: str
    select: dict[str, str]
    is_grouped: bool = False

    @property
    def name(self) -> str:
        """What the model calls it."""
        return plain_name(f"{self.table.name}_by_{self.key}")


@dataclass
class Staging:
    """A staging model: which columns of a table give which columns of a feed.

    `select` maps the feed's columns to SQL. Where the feed has several rows for one of
    the table, there is one for each of `entries`, with `variables` set from it; the
    model then starts with `setting`, lines of Jinja.
    """

    feed: str
    table: TableGuess
    select: dict[str, str]
    description: str
    doubts: list[str] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)
    group_by: list[str] = field(default_factory=list)
    lookups: list[Lookup] = field(default_factory=list)
    variables: str = ""
    entries: list[str] = field(default_factory=list)
    setting: list[str] = field(default_factory=list)

    @property
    def full_description(self) -> str:
        """What it gives, and which columns of the feed it does not."""
        lacking = set(contracts()[self.feed]) - {*self.select, "source", "loaded_at"}
        if not lacking:
            return self.description
        listed = ", ".join(sorted(lacking))
        return f"{self.description} Not given by the source: {listed}."

    def reads(self, table: TableGuess) -> bool:
        """Whether it reads anything of a table."""
        return table is self.table or any(one.table is table for one in self.lookups)

    def uses(self, column: ColumnGuess, table: TableGuess | None = None) -> bool:
        """Whether it says anything about a column of its table, or of another one."""
        sql = []
        if table in (None, self.table):
            sql += [*self.select.values(), *self.entries]
            sql += [lookup.key for lookup in self.lookups]
        for lookup in self.lookups:
            if lookup.table is table:
                sql += [lookup.key_sql, *lookup.select.values()]
        name = re.escape(column.name)
        return bool(re.search(rf"(?<!\w){name}(?!\w)", " ".join(sql)))


@cache
def contracts() -> dict[str, dict[str, tuple[str, bool]]]:
    """Columns of each feed after its YAML: type, and whether one is needed."""
    read = {}
    for feed in feed_names():
        text = (_FEEDS / f"feed_{feed}.yml").read_text(encoding="utf-8")
        (model,) = yaml.safe_load(text)["models"]
        read[feed] = {
            column["name"]: (
                column["data_type"],
                {"type": "not_null"} in column.get("constraints", []),
            )
            for column in model["columns"]
        }
    return read


def own_key(feed: str) -> str:
    """The column that names a row of a feed."""
    return list(contracts()[feed])[1]


@cache
def _reserved() -> set[str]:
    with duckdb.connect() as connection:
        words = connection.execute(
            "select keyword_name from duckdb_keywords() "
            "where keyword_category = 'reserved'"
        ).fetchall()
    return {word for (word,) in words}


def sql_name(name: str) -> str:
    """A column's name in SQL, quoted where it must be."""
    return quote(name) if name in _reserved() or not name.isascii() else name


def cast_sql(column: ColumnGuess, data_type: str) -> str:
    """SQL of a column in the type of the feed's one."""
    name = sql_name(column.name)
    if data_type == "timestamp" and column.data_type == "date":
        return f"{{{{ business_midnight('{name}') }}}}"
    if data_type == "date" and column.data_type == "timestamp":
        return f"cast({name} as date)"
    if column.has_one_way and data_type.startswith("decimal"):
        return f"cast(replace({name}, ',', '.') as decimal(18, 2))"
    return name


def key_sql(table: TableGuess) -> str:
    """SQL of what names a row of a table: its key, or its content without one."""
    return " || '-' || ".join(map(sql_name, table.key)) or "row_key"


def identified(table: TableGuess) -> tuple[dict[str, str], list[Lookup]]:
    """The feed's columns that name the customer, as SQL, and where they are found."""
    person = table.person
    if person is None:
        return {}, []
    lookups: list[Lookup] = []
    taken = {column.name for column in table.columns}
    wanted = [*(step.column for step in person.steps), person.column]
    known = sql_name(wanted[0].name)
    for step, column in zip(person.steps, wanted[1:], strict=True):
        found = column.name
        if found in taken:
            found = f"{found}_of_{step.parent.name}"
        taken.add(found)
        select = {sql_name(found): sql_name(column.name)}
        key = sql_name(step.parent.key[0])
        lookups.append(Lookup(step.parent, known, key, select))
        known = sql_name(found)
    kind = f"'{person.kind}'"
    if person.has_gaps:
        kind = f"case when {known} is not null then {kind} end"
    return {"identifier_type": kind, "identifier_value": known}, lookups


def in_order(feed: str, select: dict[str, str]) -> dict[str, str]:
    """What is selected, in the order of the feed's columns."""
    return {name: select[name] for name in contracts()[feed] if name in select}
