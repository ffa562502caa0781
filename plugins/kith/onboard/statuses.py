"""What the state of an order or of its lines does to revenue, as far as it is known."""

from collections.abc import Iterable, Iterator

from kith.company.order_statuses import OrderStatuses
from kith.company.words import folded
from kith.database import literal, quote
from kith.onboard.columns import ColumnGuess, aggregates
from kith.onboard.doubts import NUMBERS
from kith.onboard.tables import TableGuess
from kith.onboard.vocabulary import WORDS

_UNDONE = ("cancelled", "returned")
_MOST_STATES = 50
_TOLD = 10
_YES = {"yes", "y", "true", "t", "1", "ja", "oui", "si", "是"}
_MAP = "map them under order_statuses in company.yml"
_ORDERS = {
    "cancelled": "are no purchases and bring no money",
    "returned": "were bought and given back, unless a line or an amount is below 0",
    "unpaid": "count as purchases, whether they were ever paid or not; if such orders "
    f"are none, {_MAP}",
    "partly": "count in full, unless lines or amounts below 0 tell what came back; if "
    f"not, {_MAP}",
    "unknown": f"count as purchases, since nobody knows what that means; {_MAP}",
}
_LINES = {
    "cancelled": "bring nothing",
    "returned": "bring nothing, as neither bought nor given back; if they stand beside "
    "the lines that were bought, let the model turn the sign of quantity and amount",
    "unpaid": "count, whether they were ever paid or not; if not, let the model make 0 "
    "of quantity and amount",
    "partly": "count in full; let the model take off what came back",
    "unknown": "count, since nobody knows what that means; if they bring nothing, let "
    "the model make 0 of quantity and amount",
}


def _class_of(status: str) -> str:
    """What a state means, finer than the marts need it; empty where it is certain."""
    word = folded(status)
    for certain in ("unpaid", "partly"):
        if word in map(folded, WORDS[certain]):
            return certain
    for status_class, words in OrderStatuses().words().items():
        if word in words:
            return status_class if status_class in _UNDONE else ""
    return "unknown"


def _by_class(status: ColumnGuess) -> dict[str, list[str]]:
    """The values of a column by what they mean, the most frequent first."""
    found: dict[str, list[str]] = {}
    for value in sorted(status.sample, key=lambda one: (-status.sample[one], one)):
        found.setdefault(_class_of(value), []).append(value)
    return found


def _told(column: ColumnGuess, values: list[str], rows: int, what: str) -> str:
    count = sum(column.sample[value] for value in values)
    more = f" and {len(values) - _TOLD} others" if len(values) > _TOLD else ""
    listed = ", ".join(map(repr, sorted(values[:_TOLD])))
    return f"{NUMBERS}{count} of {rows} {what} are {listed}{more} and "


def doubts_of_orders(
    table: TableGuess, status: ColumnGuess, rows: str = "orders"
) -> list[str]:
    """Doubts of orders that count, or do not, by what their status says.

    `rows` says what the rows of the table are.
    """
    found = _by_class(status)
    return [
        _told(status, found[kind], table.delivery.rows, rows) + effect
        for kind, effect in _ORDERS.items()
        if kind in found
    ]


def is_state(column: ColumnGuess) -> bool:
    """Whether a column tells by its values that something was cancelled or returned."""
    return (
        column.data_type == "varchar"
        and "pii" not in column.rules
        and column.distinct <= _MOST_STATES
        and bool(set(_UNDONE) & set(_by_class(column)))
    )


def is_known(column: ColumnGuess) -> bool:
    """Whether some values are states of orders, and no federal ones."""
    return "status" in column.words or set(_by_class(column)) != {"unknown"}


def lines_of_nothing(
    table: TableGuess, status: ColumnGuess, amounts: Iterable[str]
) -> tuple[list[str], list[str]]:
    """The states of lines that bring nothing, and the doubts about all states.

    A line of which one of `amounts`, SQL, is below 0 gives money back, whatever it is
    called.
    """
    name = quote(status.name)
    below = " or ".join(f"{amount} < 0" for amount in amounts)
    found = _by_class(status)
    values = [value for kind in _UNDONE for value in found.get(kind, [])]
    counts = aggregates(
        table.typed,
        [
            f"count(*) filter (where {name} = {literal(value)} and ({below}))"
            for value in values
        ],
    )
    giving = {
        value
        for value, count in zip(values, counts, strict=True)
        if 2 * count > status.sample[value]
    }
    doubts = []
    for kind, effect in _LINES.items():
        told = [value for value in found.get(kind, []) if value not in giving]
        if told:
            doubts.append(_told(status, told, table.delivery.rows, "lines") + effect)
    return sorted(set(values) - giving), doubts


def doubts_of_unread(
    table: TableGuess, columns: Iterable[ColumnGuess]
) -> Iterator[str]:
    """Doubts of columns that tell what was cancelled or given back, and are unread."""
    rows = table.delivery.rows
    for column in columns:
        if not column.given or "pii" in column.rules:
            continue
        values = []
        if is_state(column):
            found = _by_class(column)
            values = [value for kind in _UNDONE for value in found.get(kind, [])]
        elif column.has_word("undone") and column.data_type in ("boolean", "varchar"):
            values = [value for value in column.sample if value.lower() in _YES]
        if values:
            count = sum(column.sample[value] for value in values)
            listed = ", ".join(map(repr, sorted(values)[:_TOLD]))
            told = f"is {listed} in {count}"
        elif column.has_word("undone") and (column.is_time or column.is_number):
            is_any = (
                f"{quote(column.name)} {'<> 0' if column.is_number else 'is not null'}"
            )
            (count,) = aggregates(table.typed, [f"count(*) filter (where {is_any})"])
            if not count:
                continue
            told = f"is given in {count}"
        else:
            continue
        yield (
            f"{NUMBERS}{column.name} {told} of {rows} rows, and nothing reads it: what "
            "was cancelled or given back counts in full until this model says so"
        )
