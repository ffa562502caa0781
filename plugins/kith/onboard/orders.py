"""Orders of which other tables tell: their lines, or tables of their parts."""

from kith.onboard.columns import ColumnGuess, aggregates
from kith.onboard.doubts import CUSTOMERS, NUMBERS
from kith.onboard.matches import match_columns
from kith.onboard.staging import (
    COMMON,
    Lookup,
    Staging,
    cast_sql,
    contracts,
    identified,
    in_order,
    sql_name,
)
from kith.onboard.statuses import doubts_of_orders
from kith.onboard.tables import TableGuess


def orders_of_lines(lines: Staging) -> Staging | None:
    """Orders from their lines: what is the same on all lines of an order."""
    table, order_id = lines.table, lines.select["order_id"]
    person, lookups = identified(table)
    known = person.get("identifier_value")
    orders = Staging(
        feed="orders",
        table=table,
        select={"order_id": order_id, **person},
        description=f"One row per {order_id} of {table.name}.",
        doubts=[
            f"{NUMBERS}orders are the different values of {order_id}; all other "
            "columns were the same on all lines of an order"
        ],
        conditions=[
            one for one in lines.conditions if one == f"{order_id} is not null"
        ],
        group_by=[order_id, known] if known else [order_id],
        lookups=lookups,
    )
    if known and not _is_one(orders, lookups[0].key if lookups else known):
        table.doubts.append(
            f"{CUSTOMERS}lines of orders, but {known} differs between the lines of one "
            f"{order_id}, so that no feed orders was written"
        )
        return None
    for name, (data_type, _) in contracts()["orders"].items():
        is_amount = data_type.startswith("decimal")
        if not is_amount and name not in {*COMMON, *orders.select}:
            _take_common(orders, name, data_type)
    if "ordered_at" not in orders.select:
        table.doubts.append(
            f"{NUMBERS}lines of orders, but no time that all of them have tells "
            "ordered_at, so that no feed orders was written"
        )
        return None
    orders.select = in_order("orders", orders.select)
    return orders


def _is_one(orders: Staging, sql: str) -> bool:
    """Whether all lines of every order have one value of a column."""
    order_id = orders.select["order_id"]
    by_order = orders.table.typed.filter(f"{order_id} is not null").aggregate(
        f"min({sql}) is distinct from max({sql}) "
        f"or count({sql}) not in (0, count(*)) as differs",
        order_id,
    )
    return aggregates(by_order, ["bool_or(differs)"]) == [False]


def _take_common(orders: Staging, name: str, data_type: str) -> None:
    """Take a column that all lines of an order share, or the first time of an order."""
    table = orders.table
    for _, column in match_columns(table, name, data_type):
        sql, is_time = sql_name(column.name), name == "ordered_at"
        if sql in orders.group_by or (is_time and table.has_gaps(column)):
            continue
        if _is_one(orders, sql):
            orders.select[name] = cast_sql(column, data_type)
            orders.group_by.append(sql)
            if name == "status":
                orders.doubts += doubts_of_orders(table, column, "lines of orders")
            return
        if is_time:
            orders.select[name] = f"min({cast_sql(column, data_type)})"
            orders.doubts.append(
                f"{NUMBERS}{sql} differs between lines of an order: the first"
            )
            return


def add_parts(orders: Staging, tables: list[TableGuess]) -> None:
    """Take what tables of the parts of orders know: freight, payment, delivery."""
    if orders.group_by:
        return
    own = {column.name for column in orders.table.columns}
    for name in ("shipping_amount", "payment_method", "promised_at", "delivered_at"):
        if name not in {*orders.select, *own}:
            _add_part(orders, name, tables)
    orders.select = in_order("orders", orders.select)


def _add_part(orders: Staging, name: str, tables: list[TableGuess]) -> None:
    """Take a column of orders from the first table of parts that knows it."""
    data_type, _ = contracts()["orders"][name]
    for part in tables:
        by = next((c for c in part.columns if _refers(c, orders.table)), None)
        found = match_columns(part, name, data_type) if by else []
        columns = [column for _, column in found if not column.within]
        if by and columns:
            value = cast_sql(columns[0], data_type)
            lookup = _lookup(orders, part, by)
            lookup.select[name], told = {
                "string": (
                    f"case when min({value}) = max({value}) then min({value}) "
                    "else 'several' end",
                    f"{value} of {part.name}, 'several' where its rows differ",
                ),
                "timestamp": (f"max({value})", f"the last {value} of {part.name}"),
            }.get(data_type, (f"sum({value})", f"the sum of {value} in {part.name}"))
            orders.select[name] = name
            orders.doubts.append(f"{name} is {told}")
            return


def _lookup(orders: Staging, part: TableGuess, by: ColumnGuess) -> Lookup:
    """The orders' lookup of a table of parts, a new one where they have none."""
    for lookup in orders.lookups:
        if lookup.is_grouped and lookup.table is part:
            return lookup
    key = sql_name(orders.table.key[0])
    orders.lookups.append(Lookup(part, key, sql_name(by.name), {}, is_grouped=True))
    return orders.lookups[-1]


def _refers(column: ColumnGuess, parent: TableGuess) -> bool:
    table = column.rules.get("references", {}).get("table", "")
    return bool(column.given) and table.split(".")[-1] == parent.name
