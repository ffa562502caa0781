"""The staging model in which each row of a table is a row of a feed."""

from kith.deliveries.casts import decimal_places
from kith.onboard.columns import ColumnGuess
from kith.onboard.doubts import CUSTOMERS, NUMBERS
from kith.onboard.matches import EXACT, Found
from kith.onboard.order_amounts import doubts_of_amount
from kith.onboard.people import never_repeats
from kith.onboard.staging import (
    COMMON,
    Lookup,
    Staging,
    cast_sql,
    contracts,
    identified,
    in_order,
    key_sql,
    sql_name,
)
from kith.onboard.statuses import doubts_of_orders
from kith.onboard.surveys import rating
from kith.onboard.tables import TableGuess
from kith.onboard.vocabulary import FEEDS, singular

_UNKNOWN_DECIMALS = 99


class Lacking(Exception):
    """What a feed needs and a table lacks."""


def stage_rows(
    table: TableGuess, feed: str, found: Found, order_id: str | None = None
) -> Staging:
    """The staging model; raises Lacking where the feed needs what is not there.

    `order_id` is SQL of an order's number that no column gives.
    """
    contract = contracts()[feed]
    own_key = list(contract)[1]
    select: dict[str, str] = {}
    doubts, conditions = [], []
    if FEEDS[feed].get("is_thing"):
        named = [found[own_key][0][1].name] if own_key in found else table.key[:1]
        if table.key != named or not named:
            raise Lacking(f"{''.join(named) or own_key} is no key of it")
    chosen: dict[str, ColumnGuess] = {}
    for surest, name, column in sorted(
        ((sure, name, column) for name, ones in found.items() for sure, column in ones),
        key=lambda one: -one[0],
    ):
        if name not in {*chosen, own_key} and column not in chosen.values():
            chosen[name] = column
            left = [(s, c.name) for s, c in found[name] if c not in chosen.values()]
            rivals = [rival for sure, rival in left if sure >= EXACT or surest < EXACT]
            also = f"; {', '.join(rivals[:3])} would fit as well" if rivals else ""
            if contract[name][0] != "string" and (rivals or surest < EXACT):
                rank = NUMBERS if rivals else ""
                doubts.append(f"{rank}{name} is {column.name}{also}")
    for name, (data_type, is_required) in contract.items():
        if name in COMMON or name == own_key:
            continue
        if name == "order_id" and order_id:
            select[name] = order_id
        elif name in chosen:
            select[name] = cast_sql(chosen[name], data_type)
            if is_required and table.has_gaps(chosen[name]):
                conditions.append(f"{sql_name(chosen[name].name)} is not null")
                doubts.append(
                    f"{NUMBERS}rows without {chosen[name].name} are left out, since "
                    "the feed "
                    "needs it"
                )
        elif is_required:
            select[name], doubt = _stand_in(feed, name, table, select, chosen)
            doubts.append(doubt)
        if name in chosen and data_type.startswith("decimal"):
            given = _decimals(chosen[name])
            if _UNKNOWN_DECIMALS > given > (kept := decimal_places(data_type)):
                doubts.append(
                    f"{NUMBERS}{chosen[name].name} has {given} decimals, {name} keeps "
                    f"{kept}: the build stops at such a number until this model rounds "
                    "what it has summed, or each number if what that loses may go"
                )
    if feed == "survey_answers" and "measure" not in chosen and "score" in chosen:
        select |= rating(table, chosen["score"])
        doubts.append(
            f"{NUMBERS}{chosen['score'].name} is taken for an answer to "
            f"{select['measure']} on the scale {select['scale_min']} to "
            f"{select['scale_max']}, by the values that came"
        )
    if feed == "order_lines" and "line_amount" in chosen:
        doubts += doubts_of_amount(table, select["order_id"], chosen["line_amount"])
    if feed == "orders" and "status" in chosen:
        doubts += doubts_of_orders(table, chosen["status"])
    select[own_key] = key_sql(table)
    if not table.key:
        doubts.append(f"no key: {own_key} is made of the row's content")
    lookups: list[Lookup] = []
    if "identifier_value" in contract:
        person, lookups = identified(table)
        select |= person
        if select.get("account_id") in (select[own_key], *person.values()):
            del select["account_id"]  # They act for themselves.
        doubts.append(
            f"the customer is {person['identifier_value']}; the same kind of "
            "identifier must have the same identifier_type in all models"
            if person
            else f"{CUSTOMERS}no column names the customer{_names(table)}: all rows "
            "count under 'unidentified'; add identifier_type and identifier_value if "
            "one does"
        )
        number = table.person and table.person.column
        if feed == "orders" and number and not lookups and never_repeats(number):
            doubts.append(
                f"{CUSTOMERS}{number.name} is another one on each of {number.given} "
                "orders: nobody comes back; does another column name the person?"
            )
    return Staging(
        feed=feed,
        table=table,
        select=in_order(feed, select),
        description=f"One row per row of {table.name}."
        if not table.delivery.items
        else f"One row per item of a row of {table.source_name}.",
        doubts=doubts,
        conditions=conditions,
        lookups=lookups,
    )


def _names(table: TableGuess) -> str:
    """What many bear, in words."""
    names = [
        one.name for one in table.columns if one.rules.get("identifies") == "nobody"
    ]
    return f" (many may bear {', '.join(names)})" if names else ""


def _decimals(column: ColumnGuess | None) -> int:
    """How many decimals a column's numbers have; none for a number that we write."""
    kind = column.data_type if column else "bigint"
    if kind.startswith("decimal"):
        return decimal_places(kind)
    return 0 if kind == "bigint" else _UNKNOWN_DECIMALS


def _stand_in(
    feed: str,
    name: str,
    table: TableGuess,
    select: dict[str, str],
    chosen: dict[str, ColumnGuess],
) -> tuple[str, str]:
    """SQL for a column that the feed needs and no column gives, with its doubt."""
    match feed, name:
        case "order_lines", "quantity":
            return "1", (
                f"{NUMBERS}quantity is not delivered: each line counts as one unit"
            )
        case "order_lines", "line_amount" if "unit_price_amount" in select:
            amount = f"{select['quantity']} * {select['unit_price_amount']}"
            factors = (chosen.get("quantity"), chosen["unit_price_amount"])
            is_rounded = sum(map(_decimals, factors)) > 2
            return f"round({amount}, 2)" if is_rounded else amount, (
                f"{NUMBERS}line_amount is quantity times price"
                f"{', rounded on each line' if is_rounded else ''}; take discounts off "
                "if the price is before them"
            )
        case "events", "event_name":
            event = singular(table.name)
            return f"'{event}'", "event_name is the name of the table"
    raise Lacking(f"no column gives {name}, which the feed needs")
