"""The money of orders: their totals against what their lines add up to."""

from typing import NamedTuple

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


def settle_amounts(orders: Staging | None, lines: Staging | None) -> None:
    """Settle which lines bring money, and which total of an order, if any."""
    # A total may hold what its lines no longer bring.
    ordered = lines.select["line_amount"] if lines else ""
    if lines:
        _settle_lines(lines, orders)
    if orders:
        _settle_total(orders, lines, ordered)


def _settle_lines(lines: Staging, orders: Staging | None) -> None:
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
                undone = ", ".join(map(literal, values))
                is_undone = f"{sql_name(column.name)} in ({undone})"
                for name in ("quantity", "line_amount"):
                    sql = lines.select[name]
                    lines.select[name] = f"case when {is_undone} then 0 else {sql} end"


def _settle_total(orders: Staging, lines: Staging | None, ordered: str) -> None:
    """Take the total of an order where lines agree with it, or where there are none.

    What its lines add up to counts; a total that holds taxes besides would not be what
    an order without lines adds. `ordered` is SQL of the amount of a line, whatever
    became of it.
    """
    told = orders.select.get("order_amount")
    compared = _compare(orders, lines, ordered) if lines else _Compared()
    doubts: list[str] = []
    if told and not compared.given:
        where = " where it has no line" if lines else ""
        if lines and not compared.met:
            where = f", since no line of {lines.table.name} has the number of one"
        doubts = [f"{told} is what an order adds to revenue{where}: {_NET}"]
    elif compared.are_alike:
        doubts = _doubts_of_total(orders, compared)
        orders.select["order_amount"] = compared.way.sql
        orders.select = in_order("orders", orders.select)
    elif told:
        del orders.select["order_amount"]
        count = orders.table.delivery.rows
        without = (
            f"{count - compared.met} of {count} orders have no line and bring no "
            "money: "
            if compared.met < count
            else ""
        )
        doubts = [
            f"{without}{told} is not mapped: it is the sum of the lines of "
            f"{compared.alike} of {compared.given} orders, discount and shipping taken "
            "off or not; map order_amount to what it is without shipping and taxes, or "
            "nothing tells when lines are missing"
        ]
    elif lines is None:
        doubts = [
            "no column tells what an order brings, and no table its lines: revenue is "
            "0; map order_amount"
        ]
    orders.doubts[:0] = [f"{NUMBERS}{doubt}" for doubt in doubts]


class _Way(NamedTuple):
    """A column that may be the total of an order, with SQL of what is taken off it."""

    total: str
    taken_off: tuple[str, ...] = ()

    @property
    def sql(self) -> str:
        """What an order adds."""
        return " - ".join([self.total, *self.taken_off])


class _Compared(NamedTuple):
    """How many orders have lines, and a total too, and of how many both are alike.

    They are so most often by this `way`.
    """

    met: int = 0
    given: int = 0
    alike: int = 0
    way: _Way = _Way("")

    @property
    def are_alike(self) -> bool:
        """Whether so many are that the others may lack lines."""
        return self.alike > _AGREED * self.given


def _doubts_of_total(orders: Staging, compared: _Compared) -> list[str]:
    """Doubts of a total that is the sum of the lines of most orders."""
    count = orders.table.delivery.rows
    (total, taken_off), doubts = compared.way, []
    if _part(orders, "discount_amount") in taken_off:
        doubts.append(
            f"{total} is the sum of the lines before discount_amount; if lines are net "
            "of discount already, take discount_amount out"
        )
    if total != orders.select.get("order_amount"):
        doubts.append(
            f"{total} is taken for the total of an order, being the sum of its lines"
        )
    if apart := compared.given - compared.alike:
        doubts.append(
            f"{compared.way.sql} is not the sum of the lines of {apart} of "
            f"{compared.given} orders: their lines count; are lines missing?"
        )
    without = f", as {count - compared.met} of {count} have none"
    doubts.append(
        f"{compared.way.sql} is what an order adds to revenue where it has no line"
        f"{without if compared.met < count else ''}: {_NET}"
    )
    return doubts


def _compare(orders: Staging, lines: Staging, ordered: str) -> _Compared:
    """Compare totals of orders with the sums of their lines, to a cent for each line.

    A total may hold what was cancelled or given back, or not.
    """
    order_id, amount = lines.select["order_id"], lines.select["line_amount"]
    if "{{" in order_id or orders.group_by:
        return _Compared()
    sums = lines.table.typed.filter(" and ".join(lines.conditions) or "true").aggregate(
        f"cast({order_id} as varchar) as of_order, sum({amount}) as added, "
        f"sum({ordered}) as ordered, count(*) as lines",
        order_id,
    )
    ways = _ways(orders)
    columns = [
        f"cast({orders.select['order_id']} as varchar) as own",
        f"{_part(orders, 'discount_amount') or 0} as less",
        *(f"{way.sql} as total_{n}" for n, way in enumerate(ways)),
    ]
    joined = orders.table.typed.project(", ".join(columns)).join(sums, "own = of_order")
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
    given, alike = counts[: len(ways)], counts[len(ways) :]
    told = orders.select.get("order_amount")
    # What names tell comes first, if it agrees at all.
    return max(
        (_Compared(met, *found) for found in zip(given, alike, ways, strict=True)),
        key=lambda one: (
            one.are_alike,
            one.way.total == told,
            one.alike,
            -len(one.way.taken_off),
        ),
        default=_Compared(met),
    )


def _ways(orders: Staging) -> list[_Way]:
    """What may be the sum of the lines.

    The total that names tell, else another number of orders, as it is or with discount
    or shipping taken off.
    """
    discount, shipping = (
        _part(orders, name) for name in ("discount_amount", "shipping_amount")
    )
    told = orders.select.get("order_amount")
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
    return [
        _Way(total, taken_off)
        for taken_off in ((), (discount,), (shipping,), (discount, shipping))
        for total in totals
        if all(taken_off)
    ]


def _part(orders: Staging, name: str) -> str:
    """SQL of a part of an order's amount that its own table tells, or nothing."""
    numbers = {sql_name(one.name) for one in orders.table.columns if one.is_number}
    sql = orders.select.get(name, "")
    return f"coalesce({sql}, 0)" if sql in numbers else ""
