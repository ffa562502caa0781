"""Which columns tell of another person than the row's own.

Names alone do not say it, since there are more words for a referrer than any list
knows: values do. Who is kept apart is two customers at worst, who is joined wrongly
is lost in another one; so a column is kept apart where nothing tells whose it is.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from kith.database import quote
from kith.onboard.columns import ColumnGuess, aggregates
from kith.onboard.doubts import CUSTOMERS
from kith.onboard.tables import TableGuess
from kith.onboard.vocabulary import PII, WORDS, title_words

# Devices are used by several, and names are nobody's own.
_KINDS = ("email", "phone", "card", "handle")
# So many values of a person's own column stand on others' rows at most.
_OTHERS = 0.05
# Of so many values each is another one, but for mistakes.
_UNIQUE = 0.98
# So many rows of a list of persons share their own address with another at most.
_SHARED = 0.1
_CURE = (
    "so that it joins nobody; take identifies out if it is the customer's own, who is "
    "then known by either"
)


def numbers_of_persons(table: TableGuess) -> list[ColumnGuess]:
    """Columns with the number of a person, the row's own first.

    Neither of a browser nor of a visit.
    """
    found = [
        column
        for column in table.columns
        if column.given
        and (column.is_id or "references" in column.rules)
        and column.has_word("person")
        and not column.has_word("postcode", "no_pii", "session")
        and not column.is_anonymous
        and column.rules.get("pii") != "device"
    ]
    return sorted(
        found,
        key=lambda column: (
            [column.name] != table.key,
            column.has_word("others"),
            not set(column.words) <= WORDS["person"] | WORDS["id"],
        ),
    )


def key_of_persons(table: TableGuess) -> ColumnGuess | None:
    """The only key of a table whose name is that of persons."""
    if len(table.key) == 1 and title_words(table.name) & WORDS["person"]:
        return table.column(table.key[0])
    return None


def numbers_another(table: TableGuess, column: ColumnGuess) -> bool:
    """Whether a number in a list of persons is that of another one of them."""
    key = key_of_persons(table)
    if key is None or key is column:
        return False
    return column.has_word("others") or (
        column.distinct < _UNIQUE * column.given
        and _are_of_one_kind(table, key, column)
    )


def tell_others(tables: list[TableGuess]) -> None:
    """Declare which columns identify somebody else, and doubt it."""
    for table in tables:
        for kind in _KINDS:
            columns = list(_of_kind(table, kind))
            if not columns:
                continue
            own = min(columns, key=lambda column: _rank(table, column))
            for column in columns:
                if column is not own:
                    _judge_second(table, column, own)
            if not _is_plain(own):
                _judge_only(table, own, tables)
        _doubt_second_number(table)


def _of_kind(table: TableGuess, kind: str) -> Iterator[ColumnGuess]:
    for column in table.columns:
        rules = column.rules
        if column.given and rules.get("pii") == kind and "identifies" not in rules:
            yield column


def _is_plain(column: ColumnGuess) -> bool:
    """Whether its name says no more than what it is, and that it is the customer's."""
    words = set().union(*PII.values()) | WORDS["person"] | WORDS["id"] | WORDS["own"]
    return set(column.words) <= words


def _rank(table: TableGuess, column: ColumnGuess) -> tuple[bool, bool, int]:
    has_most = 2 * column.given >= table.delivery.rows
    return not _is_plain(column), not has_most, -column.distinct


def _declare(column: ColumnGuess, why: str) -> None:
    column.rules["identifies"] = "somebody_else"
    column.doubts.append(f"{CUSTOMERS}{why}, {_CURE}")


def _judge_second(table: TableGuess, column: ColumnGuess, own: ColumnGuess) -> None:
    kind = column.rules["pii"]
    found = _compared(table, column, own)
    # What a family shares is left to the rules of identity.
    evidence = found.others + (found.beside if kind != "phone" else 0)
    if evidence > _OTHERS * found.given:
        _declare(
            column,
            f"{found.others} of {found.given} values of {column.name} are those of "
            f"{own.name} on other rows, {found.beside} stand beside several of them: "
            "taken for another person's than the row's",
        )
    elif not _is_plain(column):
        _declare(
            column,
            f"{column.name} is a second {kind} beside {own.name}, and nothing tells "
            "whose: its values meet no other row's; taken for another person's than "
            "the row's",
        )


@dataclass(frozen=True)
class _Compared:
    """Rows with a value, with another row's own, with one beside several own ones."""

    given: int
    others: int
    beside: int


def _compared(table: TableGuess, column: ColumnGuess, own: ColumnGuess) -> _Compared:
    rows = table.typed.project(f"{_bare(own)} as own, {_bare(column)} as other")
    by_value = rows.filter("other is not null").aggregate(
        "other, count(*) as n, count(distinct own) as owners, "
        "count(*) filter (where own is distinct from other) as apart",
        "other",
    )
    owners = rows.project("own as known").filter("known is not null").distinct()
    owners = owners.set_alias("owners")
    given, others, beside = aggregates(
        by_value.join(owners, "other = known", how="left"),
        [
            "sum(n)",
            "coalesce(sum(apart) filter (where known is not null), 0)",
            "coalesce(sum(n) filter (where known is null and owners > 1), 0)",
        ],
    )
    return _Compared(int(given or 0), int(others), int(beside))


def _bare(column: ColumnGuess) -> str:
    """SQL of a value, as far as one person may write it in several ways.

    NULL for a note in the place of an address or a number.
    """
    text = f"lower(trim(cast({quote(column.name)} as varchar)))"
    match column.rules["pii"]:
        case "email":
            return f"case when {text} like '%_@_%.%' then {text} end"
        case "phone":
            digits = f"regexp_replace({text}, '\\D', '', 'g')"
            # With and without the country.
            return f"case when length({digits}) >= 6 then right({digits}, 9) end"
    return text


def _judge_only(
    table: TableGuess, column: ColumnGuess, tables: list[TableGuess]
) -> None:
    """Judge the only column of its kind by the list of persons, whose name is odd."""
    for number in numbers_of_persons(table):
        for parent in tables:
            if parent is table or not _lists(parent, number):
                continue
            for own in filter(_is_plain, _of_kind(parent, column.rules["pii"])):
                others = _count_of_others(table, column, number, parent, own)
                if others > _OTHERS * column.given:
                    _declare(
                        column,
                        f"{others} of {column.given} values of {column.name} are those "
                        f"of {own.name} of {parent.name}, given to another "
                        f"{number.name}: taken for another person's than the row's",
                    )
                    return
    if key_of_persons(table):
        shared = column.given - column.distinct
        if shared > _SHARED * column.given:
            _declare(
                column,
                f"{shared} of {column.given} values of {column.name} stand on rows of "
                "several persons: taken for another person's than the row's",
            )


def _lists(parent: TableGuess, number: ColumnGuess) -> bool:
    """Whether a table has a row for each person with such a number."""
    key = key_of_persons(parent)
    if key is None:
        return False
    reference = number.rules.get("references")
    if reference:
        return str(reference["table"]).split(".")[-1] == parent.name
    return key.words == number.words


def _count_of_others(
    table: TableGuess,
    column: ColumnGuess,
    number: ColumnGuess,
    parent: TableGuess,
    own: ColumnGuess,
) -> int:
    """Count the values of a column that the list of persons gives to others only."""
    rows = table.typed.project(
        f"cast({quote(number.name)} as varchar) as number, {_bare(column)} as other"
    ).filter("other is not null")
    persons = parent.typed.project(
        f"cast({quote(parent.key[0])} as varchar) as person, {_bare(own)} as own"
    )
    known = persons.project("own as known").filter("known is not null").distinct()
    known = known.set_alias("known_values")
    apart = rows.join(persons, "number = person").filter("own is distinct from other")
    (count,) = aggregates(apart.join(known, "other = known", how="semi"), ["count(*)"])
    return int(count)


def _doubt_second_number(table: TableGuess) -> None:
    """Doubt which of two numbers of persons, of one kind, is the row's own."""
    numbers = numbers_of_persons(table)
    for column in numbers[1:]:
        own = numbers[0]
        if _are_of_one_kind(table, own, column):
            column.doubts.append(
                f"{CUSTOMERS}{column.name} numbers persons as well, of the kind of "
                f"{own.name}: the customer is {own.name}, the other is taken for "
                "somebody else"
            )


def _are_of_one_kind(table: TableGuess, own: ColumnGuess, column: ColumnGuess) -> bool:
    """Whether two columns number persons of one list, or nearly the same ones."""
    own_list, other_list = (
        each.rules.get("references", {}).get("table") for each in (own, column)
    )
    if own_list and other_list:
        return bool(own_list == other_list)
    known, others = (
        table.typed.project(f"cast({quote(each.name)} as varchar) as {name}").distinct()
        for each, name in ((own, "known"), (column, "other"))
    )
    met = others.set_alias("others").join(
        known.set_alias("owners"), "other = known", how="semi"
    )
    (count,) = aggregates(met, ["count(*)"])
    return bool(count > (1 - _OTHERS) * column.distinct)
