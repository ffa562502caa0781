"""The staging model in which each row of a table is a row of a feed."""

from kith.deliveries.casts import decimal_places
from kith.onboard.columns import ColumnGuess
from kith.onboard.doubts import CUSTOMERS, NUMBERS
from kith.onboard.matches import EXACT, Found
from kith.onboard.order_amounts import doubts_of_amount
from kith.onboard.people import never_repeats
from kith.onboard.staging import (
    COMMON,
    Staging,
    cast_sql,
    contracts,
    identified,
    in_order,
    key_sql,
    own_key,
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
    key = own_key(feed)
    if FEEDS[feed].get("is_thing"):
        named = [found[key][0][1].name] if key in found else table.key[:1]
        if table.key != named or not named:
            raise Lacking(f"{''.join(named) or key} is no key of it")
    staging = Staging(
        feed=feed,
        table=table,
        select={"order_id": order_id} if order_id else {},
        description=f"One row per item of a row of {table.source_name}."
        if table.delivery.items
        else f"One row per row of {table.name}.",
    )
    chosen = _choose(staging, found)
    for name in contract:
        if name not in {*COMMON, key, *staging.select}:
            _map_column(staging, name, chosen)
    _heed_values(staging, chosen)
    staging.select[key] = key_sql(table)
    if not table.key:
        staging.doubts.append(f"no key: {key} is made of the row's content")
    if "identifier_value" in contract:
        _identify(staging)
    staging.select = in_order(feed, staging.select)
    return staging


def _choose(staging: Staging, found: Found) -> dict[str, ColumnGuess]:
    """The column that gives each column of the feed, the surest first, each once."""
    contract = contracts()[staging.feed]
    chosen: dict[str, ColumnGuess] = {}
    for surest, name, column in sorted(
        ((sure, name, column) for name, ones in found.items() for sure, column in ones),
        key=lambda one: -one[0],
    ):
        if name in {*chosen, own_key(staging.feed)} or column in chosen.values():
            continue
        chosen[name] = column
        left = [(s, c.name) for s, c in found[name] if c not in chosen.values()]
        rivals = [rival for sure, rival in left if sure >= EXACT or surest < EXACT]
        if contract[name][0] != "string" and (rivals or surest < EXACT):
            rank = NUMBERS if rivals else ""
            also = f"; {', '.join(rivals[:3])} would fit as well" if rivals else ""
            staging.doubts.append(f"{rank}{name} is {column.name}{also}")
    return chosen


def _map_column(staging: Staging, name: str, chosen: dict[str, ColumnGuess]) -> None:
    """Select a column of the feed; raises Lacking where it needs what is not there."""
    data_type, is_required = contracts()[staging.feed][name]
    column = chosen.get(name)
    if column is None:
        if is_required:
            staging.select[name], doubt = _stand_in(staging, name, chosen)
            staging.doubts.append(doubt)
        return
    staging.select[name] = cast_sql(column, data_type)
    if is_required and staging.table.has_gaps(column):
        staging.conditions.append(f"{sql_name(column.name)} is not null")
        staging.doubts.append(
            f"{NUMBERS}rows without {column.name} are left out, since the feed needs it"
        )
    if data_type.startswith("decimal"):
        given, kept = _decimals(column), decimal_places(data_type)
        if kept < given < _UNKNOWN_DECIMALS:
            staging.doubts.append(
                f"{NUMBERS}{column.name} has {given} decimals, {name} keeps {kept}: "
                "the build stops at such a number until this model rounds what it has "
                "summed, or each number if what that loses may go"
            )


def _heed_values(staging: Staging, chosen: dict[str, ColumnGuess]) -> None:
    """Take from values what names do not tell: a scale, a total, what states do."""
    table, select = staging.table, staging.select
    match staging.feed:
        case "survey_answers" if "measure" not in chosen and "score" in chosen:
            select |= rating(table, chosen["score"])
            staging.doubts.append(
                f"{NUMBERS}{chosen['score'].name} is taken for an answer to "
                f"{select['measure']} on the scale {select['scale_min']} to "
                f"{select['scale_max']}, by the values that came"
            )
        case "order_lines" if "line_amount" in chosen:
            amount = chosen["line_amount"]
            staging.doubts += doubts_of_amount(table, select["order_id"], amount)
        case "orders" if "status" in chosen:
            staging.doubts += doubts_of_orders(table, chosen["status"])


def _identify(staging: Staging) -> None:
    """Say who the customer is, or that no column does."""
    table, select = staging.table, staging.select
    person, staging.lookups = identified(table)
    select |= person
    if select.get("account_id") in (select[own_key(staging.feed)], *person.values()):
        # They act for themselves.
        del select["account_id"]
    staging.doubts.append(
        f"the customer is {person['identifier_value']}; the same kind of "
        "identifier must have the same identifier_type in all models"
        if person
        else f"{CUSTOMERS}no column names the customer{_names(table)}: all rows "
        "count under 'unidentified'; add identifier_type and identifier_value if "
        "one does"
    )
    number = table.person and table.person.column
    is_found = bool(staging.lookups)
    if staging.feed == "orders" and number and not is_found and never_repeats(number):
        staging.doubts.append(
            f"{CUSTOMERS}{number.name} is another one on each of {number.given} "
            "orders: nobody comes back; does another column name the person?"
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
    staging: Staging, name: str, chosen: dict[str, ColumnGuess]
) -> tuple[str, str]:
    """SQL for a column that the feed needs and no column gives, with its doubt."""
    select = staging.select
    match staging.feed, name:
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
            event = singular(staging.table.name)
            return f"'{event}'", "event_name is the name of the table"
    raise Lacking(f"no column gives {name}, which the feed needs")
