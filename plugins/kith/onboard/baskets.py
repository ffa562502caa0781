"""Orders from lines that know no number of an order: a basket a person and day."""

from dataclasses import dataclass

from kith.onboard.columns import ColumnGuess, aggregates
from kith.onboard.doubts import NUMBERS
from kith.onboard.mapping import Lacking, stage_rows
from kith.onboard.matches import Found, match_columns, titles
from kith.onboard.staging import (
    COMMON,
    Staging,
    cast_sql,
    contracts,
    identified,
    in_order,
    key_sql,
    sql_name,
)
from kith.onboard.tables import TableGuess, possible_cursors
from kith.onboard.vocabulary import cursor_rank, singular, title_words

_GUESSED = 0.5


@dataclass(frozen=True)
class Basket:
    """Lines of orders without an order's number: whose they are, and of what day."""

    table: TableGuess
    order_id: str
    day: ColumnGuess
    found: Found


def find_basket(table: TableGuess) -> Basket | None:
    """What makes orders of a table of lines that knows no number of an order."""
    found = {
        name: match_columns(table, name, data_type)
        for name, (data_type, _) in contracts()["order_lines"].items()
        if name not in COMMON
    }
    goods = found["product_id"] or _goods(table)
    moments = possible_cursors(table)
    person = table.person
    if (
        table.delivery.items
        or person is None
        or person.steps
        or found["order_id"]
        or not goods
        or not moments
        or not title_words(table.name) & titles("orders", "order_lines")
    ):
        return None
    # The day of a purchase is not the one on which its row was changed.
    moments.sort(key=lambda column: (column.is_change, -cursor_rank(column.words)))
    day, name = sql_name(moments[0].name), sql_name(person.column.name)
    by_day = table.typed.project(f"{name}, cast({day} as date)").distinct()
    is_row_by_row = aggregates(by_day, ["count(*)"])[0] > 0.95 * table.delivery.rows
    if is_row_by_row and len(table.key) == 1:
        # Another number than a person's says what a row is.
        return None
    if moments[0].data_type == "timestamp":
        day = f"{{{{ business_date('{day}') }}}}"
    order_id = f"cast({name} as string) || '-' || cast({day} as string)"
    if person.has_gaps:
        order_id = f"coalesce({order_id}, {key_sql(table)})"
    found["product_id"] = goods
    given = {name: matches for name, matches in found.items() if matches}
    return Basket(table, order_id, moments[0], given)


def _goods(table: TableGuess) -> list[tuple[float, ColumnGuess]]:
    """Columns that may say what was bought, where none is called its number."""
    return match_columns(table, "name", "string") or [
        (_GUESSED, column)
        for column in table.columns
        if column.data_type == "varchar"
        and {*map(singular, column.words)} & titles("products")
    ]


def orders_of_baskets(basket: Basket) -> Staging:
    """An order of each person and day."""
    person, lookups = identified(basket.table)
    select = {
        "order_id": basket.order_id,
        **person,
        "ordered_at": f"min({cast_sql(basket.day, 'timestamp')})",
    }
    return Staging(
        feed="orders",
        table=basket.table,
        select=in_order("orders", select),
        description=f"One row per person and day of {basket.table.name}.",
        doubts=[
            f"{NUMBERS}no number of an order: what {person['identifier_value']} bought "
            "on one day counts as one order; a row without a person is an order of its "
            "own"
        ],
        group_by=[basket.order_id, person["identifier_value"]],
        lookups=lookups,
    )


def lines_of_baskets(basket: Basket) -> Staging | None:
    """The lines of these orders, where they tell an amount."""
    try:
        return stage_rows(basket.table, "order_lines", basket.found, basket.order_id)
    except Lacking as lack:
        basket.table.doubts.append(f"{NUMBERS}lines of orders, but {lack}")
        return None
