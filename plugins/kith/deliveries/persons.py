"""Which columns of a table name a person, and which of its rows are a person's.

A token is a value and what it is a value of, as one text: the hash of a `pii` column as
it is stored, `<kind>=<value>` of an identifier that is not hashed, and
`<source>.<table>.<column>=<value>` of a row to which others refer.

A row is a person's where it names them, or where it refers to a row of theirs and names
nobody else. Of others' rows that only mention them, or refer to a row of theirs, the
value goes; where the row cannot be without it, the row goes as well.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from kith.company.tables import OTHERS, Column, SourceTable
from kith.database import literal, quote
from kith.deliveries.casts import declared_types, read_column

# Makes SQL of whether a token, as SQL, is one that is looked for.
Matcher = Callable[[str], str]


class Staged(BaseModel):
    """What staging models tell of columns that sources.yml does not say.

    `kinds` has, by table and column, the kinds of identifiers that a column holds;
    `references` the columns, as `<source>.<table>.<column>`, in which its values lie.
    """

    kinds: dict[str, dict[str, list[str]]] = {}
    references: dict[str, dict[str, list[str]]] = {}


@dataclass(frozen=True)
class Mark:
    """A column whose values tell of a person.

    `own` names the row's person, `other` somebody else, `reference` another row.
    `prefixes` are what stands before its value in a token. `is_needed` says that no row
    is without it.
    """

    column: Column
    role: Literal["own", "other", "reference"]
    prefixes: tuple[str, ...]
    is_needed: bool


@dataclass(frozen=True)
class Verdict:
    """SQL of whether a row goes, and by column of whether its value does."""

    goes: str
    blanked: dict[str, str]

    @property
    def concerns(self) -> str:
        """Whether anything of a row goes."""
        return " or ".join([self.goes, *self.blanked.values()])


def marks_of(table: SourceTable, staged: Staged) -> list[Mark]:
    """The columns of a table that tell of a person, in their order."""
    rules, found = table.rules, []
    kinds = staged.kinds.get(table.full_name, {})
    references = staged.references.get(table.full_name, {})
    for column in table.columns:
        declared = column.rules
        needed = declared.required or column.name in (*rules.key, rules.cursor)
        role: Literal["own", "other"] = (
            "other" if declared.identifies in OTHERS else "own"
        )
        kind = None if declared.identifies in OTHERS else declared.identifies
        if declared.pii:
            found.append(Mark(column, role, ("",), needed))
        elif named := ([kind] if kind else kinds.get(column.name)):
            prefixes = tuple(f"{each}=" for each in named)
            found.append(Mark(column, role, prefixes, needed))
        places = set(references.get(column.name, []))
        if reference := declared.references:
            places.add(f"{reference.table}.{reference.column}")
        if places:
            prefixes = tuple(f"{place}=" for place in sorted(places))
            found.append(Mark(column, "reference", prefixes, needed))
    return found


def referred_columns(
    tables: Iterable[SourceTable], staged: Staged
) -> dict[str, list[str]]:
    """Columns by table to which other rows refer."""
    found: dict[str, set[str]] = {}
    for table in tables:
        for mark in marks_of(table, staged):
            for prefix in mark.prefixes if mark.role == "reference" else ():
                name, _, column = prefix.removesuffix("=").rpartition(".")
                found.setdefault(name, set()).add(column)
    return {name: sorted(columns) for name, columns in found.items()}


def typed_values(
    table: SourceTable, delivered: Mapping[str, str], names: Iterable[str]
) -> dict[str, dict[str, str]]:
    """SQL of the values of declared columns in delivered rows, as text.

    By declared column and by the name under which it came: it may come under several. A
    `pii` column's are hashes. `delivered` has the types of the delivered columns.
    """
    kinds = declared_types(table)
    found: dict[str, dict[str, str]] = {}
    for name in names:
        column = table.column(name)
        for came in column.names_in(delivered):
            value = quote(came)
            if not column.rules.pii:
                only = column.model_copy(update={"name": came})
                reading = read_column(only, {came: delivered[came]}, kinds[name])
                value = reading.typed if reading else "null"
            found.setdefault(name, {})[came] = f"cast({value} as varchar)"
    return found


def admitted_values(
    table: SourceTable, names: Iterable[str]
) -> dict[str, dict[str, str]]:
    """The same of rows that were admitted."""
    return {name: {name: f"cast({quote(name)} as varchar)"} for name in names}


def verdict(
    marks: list[Mark], values: Mapping[str, Mapping[str, str]], matches: Matcher
) -> Verdict | None:
    """What becomes of rows with these values; None where no mark has come."""
    own, refers, named, must = ([] for _ in range(4))
    mentions: dict[str, list[str]] = {}
    for mark in marks:
        for came, value in values.get(mark.column.name, {}).items():
            hits = [
                matches(f"{literal(prefix)} || {value}" if prefix else value)
                for prefix in mark.prefixes
            ]
            hit = f"coalesce({' or '.join(hits)}, false)"
            if mark.role == "own":
                own.append(hit)
                named.append(f"{value} is not null")
                continue
            if mark.role == "reference":
                refers.append(hit)
            if mark.is_needed:
                must.append(hit)
            else:
                mentions.setdefault(came, []).append(hit)
    if not own and not refers and not mentions and not must:
        return None
    is_hanging = "false"
    if refers:
        is_hanging = f"({' or '.join(refers)})"
        if named:
            is_hanging = f"({is_hanging} and not ({' or '.join(named)}))"
    goes = f"({' or '.join([*own, is_hanging, *must])})"
    return Verdict(
        goes,
        {
            came: f"(({' or '.join(hits)}) and not {goes})"
            for came, hits in mentions.items()
        },
    )


def kept_sql(relation: str, rule: Verdict, columns: str = "*") -> str:
    """SQL of the rows that stay of a relation, without the values that go."""
    replaced = ", ".join(
        f"case when not {condition} then {quote(name)} end as {quote(name)}"
        for name, condition in rule.blanked.items()
    )
    shown = f"{columns} replace ({replaced})" if replaced else columns
    return f"select {shown} from {relation} where not {rule.goes}"
