"""Values that hold others: fields of structs as columns, items of lists as rows.

They are delivered, and declared, as one column of JSON. Staging takes them apart, with
the SQL that is found here.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from duckdb import DuckDBPyConnection

from kith.database import literal, quote
from kith.deliveries.casts import is_nested
from kith.onboard.columns import aggregates
from kith.onboard.deliveries import TableFiles, keep, plain_name
from kith.onboard.vocabulary import singular

_LOOKED_AT = 1000
_MOST_FIELDS = 60
# Names of fields that need no care in SQL, Jinja or YAML: they come from strangers.
_PLAIN = re.compile(r"[A-Za-z_]\w{0,60}", re.ASCII)
# What staging calls an item of a list, and its place there.
_ITEM, ITEM_NUMBER = "list_item", "list_item_number"
# With what the SQL of an item's field begins.
ITEM_SQL = f"json_extract_string({_ITEM},"

# Of each field its path in what holds it.
_Paths = Iterator[tuple[str, ...]]


def take_apart(
    connection: DuckDBPyConnection, delivery: TableFiles, view: str
) -> tuple[TableFiles, list[TableFiles]]:
    """The table with the fields of its structs as columns, and one table of each list.

    A table of a list has the columns of the whole one, repeated for each item.
    """
    holders = {name: _json_of(delivery, name) for name in _holders(delivery)}
    if not holders:
        return delivery, []
    shapes = dict(zip(holders, _shapes(delivery, holders), strict=True))
    fields = {
        plain_name("_".join([name, *path])): (name, path)
        for name, shape in shapes.items()
        for path in _fields(shape)
    }
    found = {
        new: (_text_at(holders[name], path), _text_at(quote(name), path), path[-1])
        for new, (name, path) in fields.items()
        if new not in delivery.columns
    }
    for name, shape in shapes.items():
        for path, item in _lists(shape):
            for key, named, values in _parameters(delivery, holders[name], path, item):
                new = plain_name(key)
                if new in {*delivery.columns, *found}:
                    new = plain_name("_".join([name, *path, key]))
                raw, staged = (
                    _parameter(_at(holder, path), named, key, values)
                    for holder in (holders[name], quote(name))
                )
                found.setdefault(new, (raw, staged, key))
    whole = _with_fields(
        connection, replace(delivery, holders=set(holders)), view, found
    )
    lists: list[TableFiles] = []
    for name, shape in shapes.items():
        for path, item in _lists(shape):
            raw, staged = (
                f"from_json({_at(holder, path)}, '[\"json\"]')"
                for holder in (holders[name], quote(name))
            )
            view_of_list = f"{view}_list_{len(lists)}"
            rows = keep(
                connection,
                view_of_list,
                f"select *, unnest({raw}) as {_ITEM} from {whole.delivered.alias}",
                0,
            )
            own_name = (name, *path)[-1]
            of_items = replace(
                whole,
                name=plain_name(f"{delivery.name}_{own_name}"),
                delivered=rows,
                rows=len(rows),
                doubts=[],
                items=staged,
                source=delivery.name,
            )
            found = {}
            for field in _fields(item):
                new = plain_name("_".join(field))
                if new in whole.columns:
                    new = f"{singular(plain_name(own_name))}_{new}"
                sql = _text_at(_ITEM, field)
                found[new] = (sql, sql, field[-1])
            lists.append(
                _with_fields(connection, of_items, f"{view_of_list}_items", found)
            )
    return whole, lists


def _holders(delivery: TableFiles) -> list[str]:
    """Columns whose values are structs, lists, or text of JSON that is either."""
    single = {name: raw for name, (raw, *more) in delivery.columns.items() if not more}
    kinds = {name: delivery.raw_types[raw] for name, raw in single.items()}
    texts = [name for name, kind in kinds.items() if kind in ("VARCHAR", "JSON")]

    def all_are(condition: str, rows: Any, names: list[str]) -> list[str]:
        values = [f"cast({quote(single[name])} as varchar)" for name in names]
        shares = aggregates(
            rows, (f"bool_and({condition})".replace("#", v) for v in values)
        )
        return [name for name, is_so in zip(names, shares, strict=True) if is_so]

    likely = all_are(
        "prefix(#, '{') or prefix(#, '[')", delivery.delivered.limit(_LOOKED_AT), texts
    )
    valid = all_are("json_valid(#)", delivery.delivered, likely)
    return [name for name, kind in kinds.items() if name in valid or is_nested(kind)]


def _json_of(delivery: TableFiles, name: str) -> str:
    (raw,) = delivery.columns[name]
    is_text = delivery.raw_types[raw] == "VARCHAR"
    return f"cast({quote(raw)} as json)" if is_text else f"to_json({quote(raw)})"


def _shapes(delivery: TableFiles, holders: dict[str, str]) -> list[Any]:
    """Of each column its fields and the types of their values, as JSON tells them."""
    found = aggregates(
        delivery.delivered,
        (
            f"cast(json_group_structure({holder}) as varchar)"
            for holder in holders.values()
        ),
    )
    return [json.loads(shape) if shape else None for shape in found]


def _fields(shape: Any, path: tuple[str, ...] = ()) -> _Paths:
    if isinstance(shape, dict) and len(shape) <= _MOST_FIELDS:
        for name, value in shape.items():
            if _PLAIN.fullmatch(name):
                yield from _fields(value, (*path, name))
    elif isinstance(shape, str) and path:
        yield path


def _lists(
    shape: Any, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The lists of structs, each with its path and the shape of its items."""
    if isinstance(shape, dict) and len(shape) <= _MOST_FIELDS:
        for name, value in shape.items():
            if _PLAIN.fullmatch(name):
                yield from _lists(value, (*path, name))
    elif isinstance(shape, list) and shape and isinstance(shape[0], dict):
        yield path, shape[0]


def _parameters(
    delivery: TableFiles, holder: str, path: tuple[str, ...], item: Any
) -> Iterator[tuple[str, str, list[tuple[str, ...]]]]:
    """The keys of a list of keys and values: each, what it is called, where values lie.

    So do tools of web analytics write what they know of an event.
    """
    for named in ("key", "name"):
        fields = [*_fields(item)]
        values = [field for field in fields if field[0].startswith("value")]
        if (named,) not in fields or not values or len(values) < len(fields) - 1:
            continue
        items = f"unnest(from_json({_at(holder, path)}, '[\"json\"]'))"
        keys = delivery.delivered.query(
            "delivered",
            f"""
            select json_extract_string(item, '$.{named}') as key
            from (select {items} as item from delivered)
            where key is not null
            group by key order by count(*) desc, key limit {_MOST_FIELDS}
            """,
        ).fetchall()
        for (key,) in keys:
            if _PLAIN.fullmatch(key):
                yield key, named, values
        return


def _parameter(items: str, named: str, key: str, values: list[tuple[str, ...]]) -> str:
    """SQL of the value of a key in a list of keys and values."""
    item = (
        f"list_filter(from_json({items}, '[\"json\"]'), lambda one: "
        f"json_extract_string(one, '$.{named}') = {literal(key)})[1]"
    )
    texts = ", ".join(_text_at(item, value) for value in values)
    return f"coalesce({texts})" if values[1:] else texts


def _at(holder: str, path: tuple[str, ...]) -> str:
    if not path:
        return holder
    return f"json_extract({holder}, {literal('.'.join(['$', *path]))})"


def _text_at(holder: str, path: tuple[str, ...]) -> str:
    return f"json_extract_string({holder}, {literal('.'.join(['$', *path]))})"


def _with_fields(
    connection: DuckDBPyConnection,
    delivery: TableFiles,
    view: str,
    fields: dict[str, tuple[str, str, str]],
) -> TableFiles:
    """The table with further columns: SQL here and in staging, own name of each."""
    listed = "".join(f", {sql} as {quote(new)}" for new, (sql, _, _) in fields.items())
    columns = {**delivery.columns, **{new: [new] for new in fields}}
    return replace(
        delivery,
        delivered=keep(
            connection,
            view,
            f"select *{listed} from {delivery.delivered.alias}",
            delivery.rows * len(columns),
        ),
        columns=columns,
        fields=delivery.fields | {new: field[1:] for new, field in fields.items()},
    )
