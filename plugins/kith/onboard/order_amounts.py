"""The money of orders: their totals against what their lines add up to."""

from dataclasses import dataclass

from kith.database import literal
from kith.onboard.columns import ColumnGuess, aggregates
from kith.onboard.doubts import NUMBERS
from kith.onboard.matches import match_columns
from kith.onboard.staging import Staging, in_order, sql_name
from kith.onboard.statuses import is_known, is_state, lines_of_nothing
from kith.onboard.tables import TableGuess

# More orders than that have the sum of their lines as total, where it is no other sum.
_AGREED = 0.5
_NET = "without shipping, all discounts taken off"


def doubts_of_amount(
    table: TableGuess, order_id: str, amount: ColumnGuess
) -> list[str]:
    """Doubt that an amount is the line's that is the same on all lines of an order."""
    name = sql_name(amount.name)
    if "{{" in order_id:
        return []
    by_order = table.typed.aggregate(
        f"count(*) as n, min({name}) = max({name}) as is_one", order_id
    )
    several, alike = aggregates(
        by_order,
        ["count(*) filter (where n > 1)", "count(*) filter (where n > 1 and is_one)"],
    )
    if several < 5 or alike < several:
        return []
    return [
        f"{NUMBERS}{amount.name} is the same on all lines of each order: if it is the "
        "order's total, it counts once for each line"
    ]


def settle_lines(lines: Staging, orders: Staging | None) -> None:
    """Let lines that were cancelled or given back bring nothing, and tell their states.

    They stay lines: an order without any would bring its total.
    """
    table = lines.table
    named = [column for _, column in match_columns(table, "status", "string")]
    amounts = [lines.select[name] for name in ("quantity", "line_amount")]
    for column in table.columns:
        is_of_orders = orders and orders.table is table and orders.uses(column)
        if is_of_orders or lines.uses(column):
            continue
        if is_state(column) or (column in named and is_known(column)):
            values, doubts = lines_of_nothing(table, column, amounts)
            lines.doubts += doubts
            if values:
                is_undone = f"{sql_name(column.name)} in ({_listed(values)})"
                for name in ("quantity", "line_amount"):
                    sql = lines.select[name]
                    lines.select[name] = f"case when {is_undone} then 0 else {sql} end"


def _listed(values: list[str]) -> str:
    return ", ".join(map(literal, values))


def settle_amount(orders: Staging, lines: Staging | None, delivered: str) -> None:
    """Take the total of an order where lines agree with it, or where there are none.

    `delivered` is SQL of the amount of a line, whatever became of it.

    What its lines add up to counts; a total that holds taxes besides would not be what
    an order without lines adds.
    """
    told = orders.select.get("order_amount")
    count = orders.table.delivery.rows
    compared = _compare_amounts(orders, lines, delivered) if lines else _Compared()
    if told and not compared.given:
        where = "" if not lines else " where it has no line"
        if lines and not compared.met:
            where = f", since no line of {lines.table.name} has the number of one"
        _doubt_amount(orders, f"{told} is what an order adds to revenue{where}: {_NET}")
    elif compared.sql and compared.alike > _AGREED * compared.given:
        orders.select["order_amount"] = compared.sql
        orders.select = in_order("orders", orders.select)
        without = f", as {count - compared.met} of {count} have none"
        _doubt_amount(
            orders,
            f"{compared.sql} is what an order adds to revenue where it has no line"
            f"{without if compared.met < count else ''}: {_NET}",
        )
        if apart := compared.given - compared.alike:
            _doubt_amount(
                orders,
                f"{compared.sql} is not the sum of the lines of {apart} of "
                f"{compared.given} orders: their lines count; are lines missing?",
            )
        if compared.column != told:
            _doubt_amount(
                orders,
                f"{compared.column} is taken for the total of an order, being the sum "
                "of its lines",
            )
        if "discount_amount" in orders.select and compared.takes_discount_off:
            _doubt_amount(
                orders,
                f"{compared.column} is the sum of the lines before discount_amount; if "
                "lines are net of discount already, take discount_amount out",
            )
    elif told:
        del orders.select["order_amount"]
        without = (
            f"{count - compared.met} of {count} orders have no line and bring no "
            "money: "
            if compared.met < count
            else ""
        )
        _doubt_amount(
            orders,
            f"{without}{told} is not mapped: it is the sum of the lines of "
            f"{compared.alike} of {compared.given} orders, discount and shipping taken "
            "off or not; map order_amount to what it is without shipping and taxes, or "
            "nothing tells when lines are missing",
        )
    elif lines is None:
        _doubt_amount(
            orders,
            "no column tells what an order brings, and no table its lines: revenue is "
            "0; map order_amount",
        )


def _doubt_amount(orders: Staging, doubt: str) -> None:
    orders.doubts.insert(0, f"{NUMBERS}{doubt}")


@dataclass(frozen=True)
class _Compared:
    """How many orders have lines, and a total too, and of how many both are alike.

    `sql` makes of a column what is alike most often.
    """

    met: int = 0
    given: int = 0
    alike: int = 0
    sql: str = ""
    column: str = ""
    takes_discount_off: bool = False


def _compare_amounts(orders: Staging, lines: Staging, delivered: str) -> _Compared:
    """Compare totals of orders with the sums of their lines, to a cent for each line.

    A total may hold what was cancelled or given back, or not.

    The total that names tell, else another number of orders, as it is or with discount
    or shipping taken off.
    """
    order_id, amount = lines.select["order_id"], lines.select["line_amount"]
    if "{{" in order_id or orders.group_by:
        return _Compared()
    sums = lines.table.typed.filter(" and ".join(lines.conditions) or "true").aggregate(
        f"cast({order_id} as varchar) as of_order, sum({amount}) as added, "
        f"sum({delivered}) as ordered, count(*) as lines",
        order_id,
    )
    numbers = {sql_name(one.name) for one in orders.table.columns if one.is_number}
    discount, shipping = (
        f"coalesce({sql}, 0)" if (sql := orders.select.get(name, "")) in numbers else ""
        for name in ("discount_amount", "shipping_amount")
    )
    told = orders.select.get("order_amount", "")
    totals = [told] if told else []
    totals += [
        sql_name(column.name)
        for column in orders.table.columns
        if column.is_number
        and column.given
        and not column.within
        and not orders.uses(column)
        and (column.data_type != "bigint" or column.has_word("money"))
    ]
    ways = [
        (total, [less for less in taken_off if less])
        for taken_off in ((), (discount,), (shipping,), (discount, shipping))
        for total in totals
        if all(taken_off)
    ]
    joined = orders.table.typed.project(
        f"cast({orders.select['order_id']} as varchar) as own, "
        f"{', '.join([f'{discount or 0} as less', *_totals(ways)])}"
    ).join(sums, "own = of_order")
    met, *counts = aggregates(
        joined,
        [
            "count(*)",
            *(f"count(total_{n})" for n in range(len(ways))),
            *(
                f"count(*) filter (where least(abs(total_{n} - added + less), "
                f"abs(total_{n} - ordered + less)) <= 0.01 * lines + 1e-6)"
                for n in range(len(ways))
            ),
        ],
    )
    if not ways:
        return _Compared(met=met)
    given, alike = counts[: len(ways)], counts[len(ways) :]
    # What names tell comes first, if it agrees at all.
    best = max(
        range(len(ways)),
        key=lambda n: (
            alike[n] > _AGREED * given[n],
            ways[n][0] == told,
            alike[n],
            -len(ways[n][1]),
        ),
    )
    total, taken_off = ways[best]
    return _Compared(
        met=met,
        given=given[best],
        alike=alike[best],
        sql=" - ".join([total, *taken_off]),
        column=total,
        takes_discount_off=discount in taken_off,
    )


def _totals(ways: list[tuple[str, list[str]]]) -> list[str]:
    return [
        f"{' - '.join([total, *taken_off])} as total_{number}"
        for number, (total, taken_off) in enumerate(ways)
    ]
