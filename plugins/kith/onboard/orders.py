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
    select = {"order_id": order_id, **person}
    group_by = [order_id, *list(person.values())[1:]]
    doubts = [
        f"{NUMBERS}orders are the different values of {order_id}; all other columns "
        "were the same on all lines of an order"
    ]

    def is_one(sql: str) -> bool:
        """Whether all lines of every order have one value of a column."""
        by_order = table.typed.filter(f"{order_id} is not null").aggregate(
            f"min({sql}) is distinct from max({sql}) "
            f"or count({sql}) not in (0, count(*)) as differs",
            order_id,
        )
        return aggregates(by_order, ["bool_or(differs)"]) == [False]

    if person and not is_one(lookups[0].key if lookups else person["identifier_value"]):
        table.doubts.append(
            f"{CUSTOMERS}lines of orders, but {person['identifier_value']} differs "
            f"between the lines of one {order_id}, so that no feed orders was written"
        )
        return None
    for name, (data_type, _) in contracts()["orders"].items():
        if name in {*COMMON, *select} or data_type.startswith("decimal"):
            continue
        for _, column in match_columns(table, name, data_type):
            sql = sql_name(column.name)
            if sql in group_by or (name == "ordered_at" and table.has_gaps(column)):
                continue
            if is_one(sql):
                select[name] = cast_sql(column, data_type)
                group_by.append(sql)
                if name == "status":
                    doubts += doubts_of_orders(table, column, "lines of orders")
                break
            if name == "ordered_at":
                select[name] = f"min({cast_sql(column, data_type)})"
                doubts.append(
                    f"{NUMBERS}{sql} differs between lines of an order: the first"
                )
                break
    if "ordered_at" not in select:
        table.doubts.append(
            f"{NUMBERS}lines of orders, but no time that all of them have tells "
            "ordered_at, so that no feed orders was written"
        )
        return None
    return Staging(
        feed="orders",
        table=table,
        select=in_order("orders", select),
        description=f"One row per {order_id} of {table.name}.",
        doubts=doubts,
        conditions=[
            one for one in lines.conditions if one == f"{order_id} is not null"
        ],
        group_by=group_by,
        lookups=lookups,
    )


def add_parts(orders: Staging, tables: list[TableGuess]) -> None:
    """Take what tables of the parts of orders know: freight, payment, delivery."""
    if orders.group_by:
        return
    taken = {column.name for column in orders.table.columns}
    for name in ("shipping_amount", "payment_method", "promised_at", "delivered_at"):
        data_type, _ = contracts()["orders"][name]
        for part in tables:
            by = next((c for c in part.columns if _refers(c, orders.table)), None)
            found = [
                match
                for match in (match_columns(part, name, data_type) if by else [])
                if not match[1].within
            ]
            if (
                not by
                or not found
                or {name, f"{name}_found"} & {*orders.select, *taken}
            ):
                continue
            lookup = next(
                (one for one in orders.lookups if one.is_grouped and one.table is part),
                None,
            )
            if lookup is None:
                key = sql_name(orders.table.key[0])
                lookup = Lookup(part, key, sql_name(by.name), {}, is_grouped=True)
                orders.lookups.append(lookup)
            value = cast_sql(found[0][1], data_type)
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
    orders.select = in_order("orders", orders.select)


def _refers(column: ColumnGuess, parent: TableGuess) -> bool:
    table = column.rules.get("references", {}).get("table", "")
    return bool(column.given) and table.split(".")[-1] == parent.name
