"""Whom the rows of a table are about: which column names the customer, and where.

It may stand in another table: an order knows the number of a record, and the record
the person.
"""

import re
from collections.abc import Iterator
from itertools import combinations

from kith.company.tables import OTHERS
from kith.onboard.columns import ColumnGuess
from kith.onboard.doubts import CUSTOMERS
from kith.onboard.others import (
    key_of_persons,
    numbers_another,
    numbers_of_persons,
    tell_others,
)
from kith.onboard.tables import Person, Step, TableGuess
from kith.onboard.vocabulary import WORDS, singular

# Of fewer rows it says nothing that none repeats a number.
_FEW_ROWS = 20
# Numbers as short as these are given by many systems, each to somebody else.
_SHORT = 6
_NUMBERED = re.compile(r"[A-Za-z]{0,3}-?\d{3,}")
_STRONGEST = ("card", "email", "phone", "device", "handle")


def guess_people(tables: list[TableGuess]) -> None:
    """Say of each table which column names the customer, its own or another table's."""
    tell_others(tables)
    people = _People(tables)
    for table in tables:
        table.person = people.of(table)
        _tell_number(table)
        table.doubts += people.doubts(table)
    _doubt_short_numbers([table for table in tables if not table.delivery.items])


def _tell_number(table: TableGuess) -> None:
    """Let a plain number of the customer meet what else names them on the row."""
    person = table.person
    if person is None or person.steps or person.column.within:
        return
    if person.kind == "device":
        # Who is told beside it now and then uses it.
        for column in numbers_of_persons(table):
            if "pii" not in column.rules and not column.within:
                column.rules["identifies"] = _kind(table, column)
                return
    others = [column for column in table.columns if "pii" in column.rules]
    if "pii" not in person.column.rules and any(
        "identifies" not in column.rules for column in others
    ):
        person.column.rules["identifies"] = person.kind


class _People:
    """Whom the rows of each table are about."""

    def __init__(self, tables: list[TableGuess]) -> None:
        self._by_name = {table.name: table for table in tables}
        self._instead = {
            table.name: instead
            for table in tables
            if (instead := _instead_of_key(table, tables))
        }

    def of(self, table: TableGuess) -> Person | None:
        """The strongest identifier of a person on the rows; None where nothing is."""
        own = _strongest(table)
        if own is None:
            return self._of_parent(table)
        instead = self._instead.get(table.name) or _instead_of_own(table, own)
        if instead:
            own = instead
        elif (parent := self._parent(own)) and parent.name in self._instead:
            return self._by_step(table, Step(own, parent))
        return Person(own, _kind(table, own), table.has_gaps(own))

    def _parent(self, column: ColumnGuess) -> TableGuess | None:
        reference = column.rules.get("references")
        return reference and self._by_name[reference["table"].split(".")[1]]

    def _of_parent(self, table: TableGuess) -> Person | None:
        """The person of the row to which one refers, as a review to its order."""
        for column in table.columns:
            parent = self._parent(column)
            found = parent and self._by_step(table, Step(column, parent))
            # An address of a shop is nobody's who buys there.
            if found and found.column.has_word("person"):
                return found
        return None

    def _by_step(self, table: TableGuess, step: Step) -> Person | None:
        person = self.of(step.parent)
        if person is None or person.column.within:
            return None
        has_gaps = (
            person.has_gaps
            or table.has_gaps(step.column)
            or "orphans" in step.column.rules["references"]
        )
        return Person(person.column, person.kind, has_gaps, (step, *person.steps))

    def doubts(self, table: TableGuess) -> list[str]:
        """What is doubtful of it."""
        own = _strongest(table)
        instead = own and (self._instead.get(table.name) or _instead_of_own(table, own))
        if own and not instead and table.has_gaps(own):
            fuller = [one for one in _candidates(table) if one.given > own.given]
            return (
                [
                    f"{CUSTOMERS}{table.delivery.rows - own.given} of "
                    f"{table.delivery.rows} rows have no {own.name} and count as "
                    f"unidentified, though {fuller[0].name} is given"
                ]
                if fuller
                else []
            )
        if own and not instead and _is_bare(own) and [own.name] != table.key:
            return [f"{CUSTOMERS}{own.name} is taken for the number of a person"]
        if not own or not instead:
            return []
        return [
            f"{CUSTOMERS}{own.name} is another one on every order, while "
            f"{instead.name} repeats: the customer is {instead.name}"
        ]


def _candidates(table: TableGuess) -> Iterator[ColumnGuess]:
    """Columns that may name the customer, the strongest first."""
    numbers = numbers_of_persons(table)
    others = [column for column in numbers if numbers_another(table, column)]
    yield from (column for column in numbers if column not in others)
    if key := key_of_persons(table):
        yield key
    yield from others
    for kind in _STRONGEST:
        for column in table.columns:
            if (
                column.given
                and column.rules.get("pii") == kind
                and column.rules.get("identifies") not in OTHERS
            ):
                yield column
    for column in table.columns:
        # Of a field, which cannot be hashed, nothing is declared.
        if column.given and column.within and column.is_anonymous:
            yield column
    yield from filter(_is_bare, table.columns)


def _is_bare(column: ColumnGuess) -> bool:
    """Whether a column called `member` and no more holds numbers of members.

    Not their names, nor how many they are.
    """
    return (
        len(column.words) == 1
        and column.has_word("person")
        and "pii" not in column.rules
        and bool(column.sample)
        and all(map(_NUMBERED.fullmatch, column.sample))
    )


def _strongest(table: TableGuess) -> ColumnGuess | None:
    """The first of them that most rows have, else the first."""
    found = list(_candidates(table))
    most = [column for column in found if 2 * column.given >= table.delivery.rows]
    return next(iter(most or found), None)


def _kind(table: TableGuess, column: ColumnGuess) -> str:
    reference = column.rules.get("references")
    kind = "_".join(column.words)
    if "pii" in column.rules:
        return str(column.rules["pii"])
    if column.is_anonymous:
        return "device"
    if reference and reference["column"] not in WORDS["id"]:
        return str(reference["column"])
    if kind in WORDS["id"]:
        return f"{singular(table.name.split('_')[-1])}_id"
    return kind


def never_repeats(column: ColumnGuess) -> bool:
    """Whether a number is another one on (nearly) every row."""
    return column.given >= _FEW_ROWS and column.distinct >= 0.98 * column.given


def _repeating(table: TableGuess, own: ColumnGuess) -> ColumnGuess | None:
    """Another column that names the same person, on several rows of the table."""
    for column in _candidates(table):
        is_akin = set(column.words) & set(own.words) & WORDS["person"]
        is_strong = column.rules.get("pii") in _STRONGEST[:3]
        if (
            column is not own
            and (is_akin or is_strong)
            and not table.has_gaps(column)
            and 0.02 * column.given < column.distinct < column.given
        ):
            return column
    return None


def _instead_of_own(table: TableGuess, own: ColumnGuess) -> ColumnGuess | None:
    if [own.name] == table.key or not never_repeats(own):
        return None
    return _repeating(table, own)


def _instead_of_key(table: TableGuess, tables: list[TableGuess]) -> ColumnGuess | None:
    """The column that names people in a table of them whose key no order repeats."""
    own = _strongest(table)
    if own is None or [own.name] != table.key:
        return None
    children = [
        column
        for child in tables
        for column in child.columns
        if column.rules.get("references", {}).get("table", "").split(".")[-1]
        == table.name
        and column.has_word("person")
    ]
    if not children or not all(map(never_repeats, children)):
        return None
    return _repeating(table, own)


def _doubt_short_numbers(tables: list[TableGuess]) -> None:
    """Doubt that two tables mean the same by 7 where nothing says so."""

    def identifiers(table: TableGuess) -> dict[str, ColumnGuess]:
        found: dict[str, ColumnGuess] = {}
        for column in _candidates(table):
            is_known = "references" in column.rules or [column.name] == table.key
            if not is_known and max(map(len, column.sample)) <= _SHORT:
                found.setdefault(_kind(table, column), column)
        return found

    for first, second in combinations(tables, 2):
        one, other = identifiers(first), identifiers(second)
        for kind in sorted(set(one) & set(other)):
            cure = (
                "give one a source of its own, with `scope: source` for both"
                if kind in _STRONGEST
                else "give each an identifier_type of its own in staging"
            )
            if set(one[kind].sample) & set(other[kind].sample):
                one[kind].doubts.append(
                    f"{CUSTOMERS}short values that {second.name}.{other[kind].name} "
                    f"has as well: both count as one {kind}; if they come from two "
                    f"systems that number for themselves, {cure}"
                )
